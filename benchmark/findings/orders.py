"""Recovery of each planted interaction order, on data with known true logits."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from benchmark.records.record import Record
from benchmark.statistics import mean_interval

KEY = re.compile(r"recovered_order_(\d+)")  # in a final run's test metrics, see datamodules/synthetic.py


@dataclass(frozen=True)
class Recovery:
    """One model at one budget: (mean, half-width of its t interval), over blocks, or over the seeds of a single block."""

    budget: float  # training MFLOP per example
    model: str
    regret: tuple[float, float]  # test LogLoss minus that of the Bayes bound
    share: dict[int, tuple[float, float]]  # by order: 0 if none of its part of the logit was learnt, 1 if all of it was


def recovery(records: Iterable[Record], dataset: str, bayes: float | None) -> list[Recovery]:
    """Return the recovery of every model and budget whose final runs record it, by budget, then by regret.

    Args:
        records: of a results folder.
        dataset: whose records are used.
        bayes: LogLoss of the Bayes bound; if None, the result is empty.
    """
    if bayes is None:
        return []
    groups: dict[tuple[float, str], dict[int, list[dict[str, float]]]] = {}
    for record in records:
        if record.dataset == dataset and record.test and any(map(KEY.fullmatch, record.test)):
            blocks = groups.setdefault((record.budget, record.model), {})
            blocks.setdefault(record.block, []).append(record.test)
    recoveries = []
    for (budget, model), blocks in groups.items():
        first = next(iter(blocks.values()))[0]
        orders = {int(match[1]): match[0] for match in map(KEY.fullmatch, first) if match}
        share = {order: _over_blocks(blocks, key) for order, key in sorted(orders.items())}
        loss, half = _over_blocks(blocks, "logloss")
        recoveries.append(Recovery(budget, model, (loss - bayes, half), share))
    return sorted(recoveries, key=lambda r: (r.budget, r.regret[0], r.model))


def _over_blocks(blocks: dict[int, list[dict[str, float]]], key: str) -> tuple[float, float]:
    of_blocks = [[test[key] for test in tests] for tests in blocks.values()]
    return mean_interval([fmean(values) for values in of_blocks] if len(of_blocks) > 1 else of_blocks[0])
