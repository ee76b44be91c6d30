"""What final runs say of models against each other: pairs, letters, differences to a reference, wins, scaling."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import polars as pl

from benchmark.findings.summary import METRICS, finals
from benchmark.statistics import Difference, difference, holm, letters, minimum_detectable

SMALLEST = 0.0005  # AUC or LogLoss; a smaller gap is a tie however sure it is
LEVEL = 0.05

Place = Literal["best", "second"]
Values = dict[str, dict[int, float]]  # {model: {seed: test metric}}


def cells(runs: pl.DataFrame, metric: str) -> dict[tuple[str, float], Values]:
    """{(data set, budget): {model: {seed: test metric}}} of the complete final runs."""
    found: dict[tuple[str, float], Values] = {}
    columns = finals(runs).select("dataset", "budget", "model", "seed", f"test_{metric}")
    for dataset, budget, model, seed, value in columns.iter_rows():
        found.setdefault((dataset, budget), {}).setdefault(model, {})[seed] = value
    return found


def better(metric: str) -> int:
    """Sign of an improvement: -1 where lower is better."""
    return 1 if metric == "auc" else -1


@dataclass(frozen=True)
class Pair:
    """Two models at one budget: the difference a - b, with p corrected for the whole family."""

    a: str
    b: str
    difference: Difference
    p: float  # Holm-corrected
    detectable: float  # least difference that these seeds find 4 times in 5

    @property
    def apart(self) -> bool:
        """Told apart: significant after correction, and no less than what the seeds detect and what is worth naming."""
        return self.p < LEVEL and abs(self.difference.mean) >= max(self.detectable, SMALLEST)

    def verdict(self, metric: str) -> Literal["better", "worse", "tie", "unknown"]:
        """What a is against b."""
        if math.isnan(self.p):
            return "unknown"
        if not self.apart:
            return "tie"
        return "better" if self.difference.mean * better(metric) > 0 else "worse"


def family(named: list[tuple[str, str, Difference]]) -> list[Pair]:
    """Differences tested together, Holm-corrected for their number."""
    adjusted = holm([found.p for _, _, found in named])
    return [
        Pair(a, b, found, p, minimum_detectable(found.error, found.seeds - 1) if found.seeds > 1 else math.nan)
        for (a, b, found), p in zip(named, adjusted, strict=True)
    ]


def all_pairs(values: Values) -> list[Pair]:
    """Every pair of models of one cell, corrected together."""
    return family([(a, b, difference(values[a], values[b])) for a, b in combinations(values, 2)])


def group_letters(values: Values, metric: str) -> dict[str, str]:
    """Letters of a cell's models, the best mean's first; a model with fewer than two seeds has none."""
    known = {model: seeds for model, seeds in values.items() if len(seeds) > 1}
    ranked = sorted(known, key=lambda model: (-better(metric) * _mean(known[model]), model))
    apart = {frozenset((pair.a, pair.b)) for pair in all_pairs(known) if pair.apart}
    return letters(ranked, apart) if len(ranked) > 1 else {}


def with_letters(frame: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """The summary with a column of letters for each metric; null where seeds do not allow any."""
    for metric in METRICS:
        found = {
            (*key, model): letter
            for key, values in cells(runs, metric).items()
            for model, letter in group_letters(values, metric).items()
        }
        keys = frame.select("dataset", "budget", "model").iter_rows()
        frame = frame.with_columns(pl.Series(f"{metric}_letters", [found.get(key) for key in keys], pl.String))
    return frame


def leaders(summary: pl.DataFrame, runs: pl.DataFrame, metric: str) -> dict[tuple[str, float, str], Place]:
    """{(data set, budget, model): place} of the best two, only where the best is told apart from every other model."""
    found: dict[tuple[str, float, str], Place] = {}
    of_cell = cells(runs, metric)
    for (dataset, budget), rows in summary.drop_nulls(metric).group_by("dataset", "budget"):
        ranked = rows.sort(metric, descending=better(metric) > 0)["model"].to_list()
        pairs = [pair for pair in all_pairs(of_cell[dataset, budget]) if ranked[0] in (pair.a, pair.b)]
        if pairs and all(pair.apart for pair in pairs):
            found[dataset, budget, ranked[0]], found[dataset, budget, ranked[1]] = "best", "second"
    return found


def reference(present: list[str]) -> str | None:
    """The model that others are measured against: the plain MLP, the zero line; without it the first by name."""
    return "mlp" if "mlp" in present else min(present, default=None)


def differences(runs: pl.DataFrame, dataset: str, metric: str, against: str) -> Iterator[tuple[float, Pair]]:
    """(budget, pair) of every other model against the reference, Holm-corrected over a data set's budgets together."""
    named, budgets = [], []
    for (name, budget), values in sorted(cells(runs, metric).items()):
        if name == dataset and against in values:
            for model in sorted(values.keys() - {against}):
                named.append((model, against, difference(values[model], values[against])))
                budgets.append(budget)
    yield from zip(budgets, family(named), strict=True)


def wins(runs: pl.DataFrame, dataset: str, metric: str) -> dict[tuple[str, str], tuple[int, int, int]]:
    """{(model, other): (budgets where it is better, tied or unknown, worse)}, pairs corrected within each budget."""
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
