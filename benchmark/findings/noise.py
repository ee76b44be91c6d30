"""The noise of scores taken apart: searches, seeds, test rows; in natural units."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, variance

import numpy as np
import polars as pl

from benchmark.findings.runs import Metric, finals
from benchmark.findings.scores import Rows
from benchmark.statistics import Study


@dataclass(frozen=True)
class Noise:
    """Standard deviations of one study's scores; None where there are too few runs or no predictions."""

    model: str
    budget: float  # training MFLOP per example
    blocks: float | None  # between means of blocks: of searches and of their seeds
    seeds: float | None  # between the final runs of a block
    rows: float | None  # by test rows


@dataclass(frozen=True)
class Components:
    """Standard deviations pooled over studies, as a plan needs them."""

    search: float  # of a search's winner
    seed: float  # of a final run by its seed
    rows: float  # variance of the difference of two models by test rows; 0 if unknown


def noise(runs: pl.DataFrame, metric: Metric, rows: Rows | None) -> list[Noise]:
    """Return the noise of each study, by budget and model.

    Args:
        runs: tidy runs of one data set.
        metric: auc or logloss.
        rows: covariance by test rows in natural units; None if unknown.
    """
    own = dict(zip(rows[0], np.sqrt(np.maximum(np.diag(rows[1]), 0)).tolist(), strict=True)) if rows else {}
    result = []
    for (model, budget), blocks in sorted(_blocks(runs, metric).items(), key=lambda item: (item[0][1], item[0][0])):
        between, within, _ = _variances(blocks)
        of_rows = own.get((model, budget), math.nan)
        result.append(Noise(model, budget, _root(between), _root(within), None if math.isnan(of_rows) else of_rows))
    return result


def components(runs: pl.DataFrame, metric: Metric, rows: Rows | None) -> Components | None:
    """Return the noise pooled over the studies of a data set; None if no study has several blocks.

    Args:
        runs: tidy runs of the data set.
        metric: auc or logloss.
        rows: covariance by test rows in natural units; None if unknown.
    """
    parts = [_variances(blocks) for blocks in _blocks(runs, metric).values()]
    between = [part for part, _, _ in parts if part is not None]
    within = [part for _, part, _ in parts if part is not None]
    if not between:
        return None
    seed = fmean(within) if within else 0.0
    of_seeds = fmean(share for part, _, share in parts if part is not None) * seed
    return Components(math.sqrt(max(0.0, fmean(between) - of_seeds)), math.sqrt(seed), _difference_by_rows(rows))


def _blocks(runs: pl.DataFrame, metric: Metric) -> dict[Study, list[list[float]]]:
    """Return the scores of the final runs by study and block."""
    values: dict[Study, dict[int, list[float]]] = {}
    for model, budget, block, value in finals(runs).select("model", "budget", "block", f"test_{metric}").iter_rows():
        values.setdefault((model, budget), {}).setdefault(block, []).append(value)
    return {study: list(blocks.values()) for study, blocks in values.items()}


def _variances(blocks: Sequence[Sequence[float]]) -> tuple[float | None, float | None, float]:
    """Return the variance between means of blocks and within blocks, None if unknown, and the mean of 1 / final runs."""
    between = variance([fmean(block) for block in blocks]) if len(blocks) > 1 else None
    inner = [variance(block) for block in blocks if len(block) > 1]
    return between, fmean(inner) if inner else None, fmean(1 / len(block) for block in blocks)


def _difference_by_rows(rows: Rows | None) -> float:
    if rows is None:
        return 0.0
    studies, c = rows
    pairs = [(i, j) for i, j in combinations(range(len(studies)), 2) if studies[i][1] == studies[j][1]]
    variances = [float(c[i, i] + c[j, j] - 2 * c[i, j]) for i, j in pairs]
    known = [value for value in variances if not math.isnan(value)]
    return max(0.0, fmean(known)) if known else 0.0


def _root(value: float | None) -> float | None:
    return None if value is None else math.sqrt(value)
