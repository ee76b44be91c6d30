"""Models compared by their final runs: pairs, letters, leaders, differences from a reference, wins."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import polars as pl

from benchmark.findings.summary import METRICS, finals
from benchmark.statistics import SIGNIFICANCE, Difference, difference, holm, letters, minimum_detectable

SMALLEST = 0.0005  # difference in AUC or LogLoss worth reporting; a smaller one is a tie even if significant

Place = Literal["best", "second"]
Values = dict[str, dict[int, float]]  # {model: {seed: test metric}}


def cells(runs: pl.DataFrame, metric: str) -> dict[tuple[str, float], Values]:
    """Return {(data set, budget): {model: {seed: test metric}}} of the complete final runs."""
    values: dict[tuple[str, float], Values] = {}
    columns = finals(runs).select("dataset", "budget", "model", "seed", f"test_{metric}")
    for dataset, budget, model, seed, value in columns.iter_rows():
        values.setdefault((dataset, budget), {}).setdefault(model, {})[seed] = value
    return values


def better(metric: str) -> int:
    """Return the sign of an improvement: -1 if lower is better."""
    return 1 if metric == "auc" else -1


@dataclass(frozen=True)
class Pair:
    """Two models at one budget: the difference a - b, its p corrected for the whole family of tests."""

    a: str
    b: str
    difference: Difference
    p: float  # Holm-corrected
    detectable: float  # minimum detectable difference of these seeds

    @property
    def apart(self) -> bool:
        """Return whether the difference is significant after correction and at least `detectable` and SMALLEST."""
        return self.p < SIGNIFICANCE and abs(self.difference.mean) >= max(self.detectable, SMALLEST)

    def verdict(self, metric: str) -> Literal["better", "worse", "tie", "unknown"]:
        """Return how a compares with b."""
        if math.isnan(self.p):
            return "unknown"
        if not self.apart:
            return "tie"
        return "better" if self.difference.mean * better(metric) > 0 else "worse"


def family(named: list[tuple[str, str, Difference]]) -> list[Pair]:
    """Return a pair for each (a, b, difference), Holm-corrected together."""
    adjusted = holm([gap.p for _, _, gap in named])
    return [
        Pair(a, b, gap, p, minimum_detectable(gap.error, gap.seeds - 1) if gap.seeds > 1 else math.nan)
        for (a, b, gap), p in zip(named, adjusted, strict=True)
    ]


def all_pairs(values: Values) -> list[Pair]:
    """Return every pair of models of one data set and budget, corrected together."""
    return family([(a, b, difference(values[a], values[b])) for a, b in combinations(values, 2)])


def group_letters(values: Values, metric: str) -> dict[str, str]:
    """Return {model: letters} from the best mean down; a model with fewer than two seeds has none."""
    replicated = {model: seeds for model, seeds in values.items() if len(seeds) > 1}
    ranked = sorted(replicated, key=lambda model: (-better(metric) * _mean(replicated[model]), model))
    apart = {frozenset((pair.a, pair.b)) for pair in all_pairs(replicated) if pair.apart}
    return letters(ranked, apart) if len(ranked) > 1 else {}


def with_letters(frame: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """Return the summary with a column of letters per metric; null where there are too few seeds."""
    for metric in METRICS:
        letters_of = {
            (*key, model): letter
            for key, values in cells(runs, metric).items()
            for model, letter in group_letters(values, metric).items()
        }
        keys = frame.select("dataset", "budget", "model").iter_rows()
        frame = frame.with_columns(pl.Series(f"{metric}_letters", [letters_of.get(key) for key in keys], pl.String))
    return frame


def leaders(summary: pl.DataFrame, runs: pl.DataFrame, metric: str) -> dict[tuple[str, float, str], Place]:
    """Return {(data set, budget, model): place} of the best two, where the best is told apart from every other model.

    Args:
        summary: one row per (data set, budget, model).
        runs: the tidy runs behind it.
        metric: to rank by.
    """
    places: dict[tuple[str, float, str], Place] = {}
    values = cells(runs, metric)
    for (dataset, budget), rows in summary.drop_nulls(metric).group_by("dataset", "budget"):
        ranked = rows.sort(metric, descending=better(metric) > 0)["model"].to_list()
        pairs = [pair for pair in all_pairs(values[dataset, budget]) if ranked[0] in (pair.a, pair.b)]
        if pairs and all(pair.apart for pair in pairs):
            places[dataset, budget, ranked[0]], places[dataset, budget, ranked[1]] = "best", "second"
    return places


def reference(present: list[str]) -> str | None:
    """Return the model that the others are compared with: the plain MLP, or the first by name if there is none."""
    return "mlp" if "mlp" in present else min(present, default=None)


def differences(runs: pl.DataFrame, dataset: str, metric: str, against: str) -> Iterator[tuple[float, Pair]]:
    """Yield (budget, pair) for every other model against the reference, Holm-corrected over all budgets together.

    Args:
        runs: tidy runs.
        dataset: whose runs are compared.
        metric: to compare by.
        against: the reference model.
    """
    named, budgets = [], []
    for (name, budget), values in sorted(cells(runs, metric).items()):
        if name == dataset and against in values:
            for model in sorted(values.keys() - {against}):
                named.append((model, against, difference(values[model], values[against])))
                budgets.append(budget)
    yield from zip(budgets, family(named), strict=True)


def wins(runs: pl.DataFrame, dataset: str, metric: str) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Return {(model, other): (budgets where it is better, tied or unknown, worse)}, pairs corrected within each budget.

    Args:
        runs: tidy runs.
        dataset: whose runs are compared.
        metric: to compare by.
    """
    count: dict[tuple[str, str], list[int]] = {}
    for (name, _), values in cells(runs, metric).items():
        if name != dataset:
            continue
        for pair in all_pairs(values):
            place = {"better": 0, "worse": 2}.get(pair.verdict(metric), 1)
            count.setdefault((pair.a, pair.b), [0, 0, 0])[place] += 1
            count.setdefault((pair.b, pair.a), [0, 0, 0])[2 - place] += 1
    return {key: (won, tied, lost) for key, (won, tied, lost) in count.items()}


def _mean(seeds: dict[int, float]) -> float:
    return sum(seeds.values()) / len(seeds)
