"""How much of each planted order of interaction a model has learnt, on data whose law is known."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from benchmark.records.record import Record
from benchmark.statistics import mean_interval

KEY = re.compile(r"recovered_order_(\d+)")  # of a final run's test metrics, see datamodules/synthetic.py


@dataclass(frozen=True)
class Recovery:
    """One model at one budget: means over seeds with half-widths of their 95 % t intervals."""

    budget: float  # training MFLOP per example
    model: str
    regret: tuple[float, float]  # test LogLoss above the Bayes bound's
    share: dict[int, tuple[float, float]]  # by order: 0 nothing of its part of the logit, 1 all of it


def recovery(records: Iterable[Record], dataset: str, bayes: float | None) -> list[Recovery]:
    """Of every model and budget whose final runs know the law; by budget, then the least regret first."""
    if bayes is None:
        return []
    groups: dict[tuple[float, str], list[dict[str, float]]] = {}
    for record in records:
        if record.dataset == dataset and record.test and any(map(KEY.fullmatch, record.test)):
            groups.setdefault((record.budget, record.model), []).append(record.test)
    found = []
    for (budget, model), tests in groups.items():
        orders = {int(match[1]): match[0] for match in map(KEY.fullmatch, tests[0]) if match}
        share = {order: mean_interval([test[key] for test in tests]) for order, key in sorted(orders.items())}
        found.append(Recovery(budget, model, mean_interval([test["logloss"] - bayes for test in tests]), share))
    return sorted(found, key=lambda r: (r.budget, r.regret[0], r.model))
