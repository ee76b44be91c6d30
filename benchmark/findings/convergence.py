"""Whether a protocol trains long enough: what the winners gain from twice the epochs."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from benchmark.findings.comparison import better
from benchmark.findings.summary import LABEL, title
from benchmark.records.record import Record
from benchmark.statistics import t_quantile

WORTH = {"auc": 0.0005, "logloss": 0.001}  # gain that counts: in AUC, and as a share of LogLoss


@dataclass(frozen=True)
class Gain:
    """What a study's winners gain on the validation part from twice the epochs, by the runs that both have."""

    model: str
    budget: float  # training MFLOP per example
    metric: str
    before: float  # mean of the metric with the protocol's epochs
    gain: float  # mean improvement, positive where longer training is better
    error: float  # standard error of the gain over blocks, or over the seeds of a single block; nan for one run
    units: int  # blocks, or seeds of a single block, that the error is over
    runs: int

    @property
    def noise(self) -> float:
        """The gain that the noise alone exceeds in 5 % of checks: a one-sided t bound; nan for one run."""
        return self.error * t_quantile(0.95, self.units - 1) if self.units > 1 else math.nan

    @property
    def worth(self) -> float:
        """The gain from which on the protocol's epochs are too few: worth naming, and above the noise."""
        least = WORTH[self.metric] * (self.before if self.metric == "logloss" else 1)
        return max(least, 0.0 if math.isnan(self.noise) else self.noise)

    @property
    def passed(self) -> bool:
        """Whether twice the epochs gain nothing that counts."""
        return self.gain <= self.worth


def gains(records: Iterable[Record], dataset: str, metric: str) -> list[Gain]:
    """Return the gain of each study that was trained again with twice the epochs, by budget and model.

    Args:
        records: of a results folder.
        dataset: whose records are used.
        metric: auc or logloss, of the validation part.
    """
    values: dict[tuple[float, str], dict[str, dict[tuple[int, int], float]]] = {}
    for record in records:
        if record.status != "complete" or record.valid is None:
            continue  # a collapsed run has metrics, too, but not of what the model learns
        if record.dataset == dataset and record.kind in ("final", "doubled"):
            kinds = values.setdefault((record.budget, record.model), {"final": {}, "doubled": {}})
            kinds[record.kind][record.block, record.seed] = record.valid[metric]
    result = []
    for (budget, model), kinds in sorted(values.items()):
        shared = sorted(kinds["final"].keys() & kinds["doubled"].keys())
        if shared:
            before, after = (np.array([kinds[kind][run] for run in shared]) for kind in ("final", "doubled"))
            improved = better(metric) * (after - before)
            block = np.array([block for block, _ in shared])
            of_blocks = np.array([improved[block == b].mean() for b in np.unique(block)])
            units = of_blocks if len(of_blocks) > 1 else improved
            error = float(units.std(ddof=1)) / math.sqrt(len(units)) if len(units) > 1 else math.nan
            mean, gain = float(before.mean()), float(units.mean())
            result.append(Gain(model, budget, metric, mean, gain, error, len(units), len(shared)))
    return result


def problem(gains: list[Gain], models: Iterable[str]) -> str | None:
    """Return why a data set's models cannot be called trained to the end; None if all of them pass at one budget at least.

    Args:
        gains: of the data set.
        models: that its results compare.
    """
    budgets = {gain.budget for gain in gains}
    wanted = set(models)
    complete = [b for b in budgets if wanted <= {gain.model for gain in gains if gain.budget == b}]
    if not complete:
        return "no doubling check was made"
    if failed := [gain for gain in gains if not gain.passed]:
        worst = max(failed, key=lambda gain: gain.gain / gain.worth)
        most = f"{title(worst.model)} most, by {worst.gain:.4f} in validation {LABEL[worst.metric]}"
        return f"twice the epochs still help {len(failed)} of {len(gains)} winners ({most})"
    return None
