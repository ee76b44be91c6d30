"""Inference whose unit is a block, one independent search: studies, and contrasts of each model's studies over budgets.

A study is (model, budget) on one data set; the result of a block is on the working scale, where lower is better. Draws must
differ between all blocks, budgets and models: nothing here is paired.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.statistics.moderation import moderate
from benchmark.statistics.seeds import CONFIDENCE
from benchmark.statistics.student import quantile, satterthwaite

ROUNDING = 8 * float(np.finfo(float).eps)  # relative; a smaller spread counts as none
MOST_MISSING = 1 / 3  # share of a study's blocks; above it, comparisons leave the model out

Array = NDArray[np.float64]
Study = tuple[str, float]  # model, budget


@dataclass(frozen=True, eq=False)
class Blocks:
    """Results of all studies of one data set and metric. Raises ValueError if `rows` is not (G, G) or a value is infinite."""

    values: Mapping[Study, Sequence[float]]  # of G studies; nan is a missing block: all its runs failed
    rows: Array | None = None  # (G, G), covariance of the studies' means by test rows, in the order of `values`

    def __post_init__(self) -> None:
        shape = (len(self.values), len(self.values))
        if self.rows is not None and np.shape(self.rows) != shape:
            raise ValueError(f"the covariance by rows has shape {np.shape(self.rows)}; {shape[0]} studies need {shape}")
        infinite = [study for study, values in self.values.items() if np.isinf(values).any()]
        if infinite:
            raise ValueError(f"the blocks of {infinite[0]} hold an infinite value; use nan for a missing block")

    @cached_property
    def index(self) -> dict[Study, int]:
        """Return the place of each study in the arrays."""
        return {study: i for i, study in enumerate(self.values)}

    @cached_property
    def models(self) -> list[str]:
        """Return the models in order of their first study."""
        return list(dict.fromkeys(model for model, _ in self.values))

    @cached_property
    def budgets(self) -> list[float]:
        """Return the budgets in ascending order."""
        return sorted({budget for _, budget in self.values})

    @cached_property
    def finished(self) -> NDArray[np.intp]:
        """Return the number of finished blocks of each study (G,)."""
        return np.asarray((~np.isnan(self._table)).sum(1))

    @cached_property
    def missing(self) -> Array:
        """Return the share of blocks missing from each study (G,)."""
        planned = np.array([len(values) for values in self.values.values()])
        return 1 - self.finished / np.maximum(planned, 1)

    @cached_property
    def means(self) -> Array:
        """Return the mean over the finished blocks of each study (G,); 0 if there are none."""
        return np.asarray(np.nansum(self._table, 1) / np.maximum(self.finished, 1))

    @cached_property
    def variances(self) -> Array:
        """Return the variance between the finished blocks of each study (G,); nan for fewer than two."""
        deviation = self._table - self.means[:, None]
        variance = np.nansum(deviation**2, 1) / np.maximum(self.finished - 1, 1)
        largest = np.max(np.abs(np.nan_to_num(self._table)), 1, initial=0)
        rounding = (ROUNDING * largest) ** 2  # equal blocks can differ from their mean by as much
        return np.where(self.finished > 1, np.where(variance > rounding, variance, 0), np.nan)

    @cached_property
    def moderated(self) -> tuple[Array, Array]:
        """Return moderated variances (G,) and their degrees of freedom (G,); nan and 0 for fewer than two blocks."""
        known = np.flatnonzero(self.finished > 1)
        variances, degrees = np.full(len(self.values), np.nan), np.zeros(len(self.values))
        budgets = [budget for _, budget in self.values]
        variances[known], degrees[known] = moderate(
            self.variances[known], self.finished[known] - 1, [budgets[i] for i in known]
        )
        return variances, degrees

    @cached_property
    def _table(self) -> Array:
        """Return the blocks of each study (G, R), padded with nan."""
        table = np.full((len(self.values), max(map(len, self.values.values()), default=0)), np.nan)
        for row, values in zip(table, self.values.values(), strict=True):
            row[: len(values)] = values
        return table


@dataclass(frozen=True, eq=False)
class Contrasts:
    """One estimate per model (K,): its mean at a budget or over budgets, its slope, its last step. Lower is better."""

    models: tuple[str, ...]
    values: Array
    variances: Array  # by blocks; nan if unknown
    degrees: Array  # of these variances
    rows: Array  # (K, K), covariance by test rows
    missing: Array  # largest share of missing blocks among the model's studies

    @cached_property
    def half(self) -> Array:
        """Return the half-widths (K,) of the intervals at CONFIDENCE; nan if unknown."""
        known = np.maximum(np.diag(self.rows), 0)
        degrees = satterthwaite(self.variances[:, None], self.degrees[:, None], known)
        return np.asarray(quantile((1 + CONFIDENCE) / 2, degrees) * np.sqrt(self.variances + known))

    @property
    def compared(self) -> "Contrasts":
        """Return the models that enter comparisons: at least two finished blocks, at most MOST_MISSING missing."""
        return self._at(np.flatnonzero((self.degrees > 0) & (self.missing <= MOST_MISSING + 1e-9)))

    def value_of(self, model: str) -> float | None:
        """Return the estimate of a model; None if it has none."""
        return float(self.values[self.models.index(model)]) if model in self.models else None

    def half_of(self, model: str) -> float | None:
        """Return the half-width of a model's interval; None if it is unknown."""
        half = float(self.half[self.models.index(model)]) if model in self.models else math.nan
        return None if math.isnan(half) else half

    def _at(self, kept: NDArray[np.intp]) -> "Contrasts":
        return Contrasts(
            tuple(self.models[i] for i in kept),
            self.values[kept],
            self.variances[kept],
            self.degrees[kept],
            self.rows[np.ix_(kept, kept)],
            self.missing[kept],
        )


def contrasts(blocks: Blocks, weights: Mapping[Study, float]) -> Contrasts:
    """Return each model's sum of weight x mean over blocks; a model lacking a finished block in one of its studies is left out.

    At a single budget per model, the variances of all studies are moderated together. Over several, those of the contrasts
    are, over the models: moderating the studies first gives too many false claims.

    Args:
        blocks: of all studies of the data set.
        weights: of the studies; an absent study leaves its model out.
    """
    terms: dict[str, dict[Study, float]] = {}
    for study, weight in weights.items():
        if weight:
            terms.setdefault(study[0], {})[study] = weight
    finished = {study for study, i in blocks.index.items() if blocks.finished[i]}
    complete = {model: parts for model, parts in terms.items() if parts.keys() <= finished}
    matrix = np.zeros((len(complete), len(blocks.values)))
    for row, parts in zip(matrix, complete.values(), strict=True):
        row[[blocks.index[study] for study in parts]] = list(parts.values())
    single = all(len(parts) == 1 for parts in complete.values())
    variances, degrees = _of_studies(blocks, matrix) if single else _of_contrasts(blocks, matrix)
    return Contrasts(
        tuple(complete),
        matrix @ blocks.means,
        variances,
        degrees,
        by_rows(blocks, matrix),
        np.where(matrix != 0, blocks.missing, 0).max(1, initial=0),
    )


def column(blocks: Blocks, budget: float) -> Contrasts:
    """Return each model's mean at one budget."""
    return contrasts(blocks, {(model, budget): 1.0 for model in blocks.models})


def over_budgets(blocks: Blocks) -> Contrasts:
    """Return each model's mean over all budgets, which the primary family compares."""
    share = 1 / max(len(blocks.budgets), 1)
    return contrasts(blocks, {(model, budget): share for model in blocks.models for budget in blocks.budgets})


def by_rows(blocks: Blocks, matrix: Array) -> Array:
    """Return the covariance (K, K) by test rows of K contrasts with weights (K, G); zero if `blocks` has no rows."""
    if blocks.rows is None:
        return np.zeros((len(matrix), len(matrix)))
    used, rows = matrix != 0, np.asarray(blocks.rows)
    unknown = used @ np.isnan(rows) @ used.T  # a nan concerns only the contrasts that use the study
    return np.where(unknown, np.nan, matrix @ np.nan_to_num(rows) @ matrix.T)


def row_covariance(
    covariance: ArrayLike, runs: Sequence[Study], searches: Sequence[int], studies: Sequence[Study]
) -> Array:
    """Return the covariance (G, G) of the studies' means by test rows: the mean over pairs of runs of different blocks.

    Two runs of a block share its winner, which adds to their covariance. The variance of a study with one block is nan.

    Args:
        covariance: of all final runs by test rows (n, n): DeLong's, or that of losses / N, on the working scale.
        runs: the study of each run (n,).
        searches: the number of the block of each run within its study (n,).
        studies: in the order wanted (G,).
    """
    matrix = np.asarray(covariance, float)
    pairs = list(zip(runs, searches, strict=True))
    member = np.array([[run == study for study in studies] for run in runs], float).reshape(len(runs), len(studies))
    total, count = member.T @ matrix @ member, np.outer(member.sum(0), member.sum(0))
    for block in dict.fromkeys(pair for pair in pairs if pair[0] in studies):
        place = list(studies).index(block[0])
        same = [n for n, pair in enumerate(pairs) if pair == block]
        total[place, place] -= matrix[np.ix_(same, same)].sum()
        count[place, place] -= len(same) ** 2
    return np.where(count > 0, total / np.where(count > 0, count, 1), np.nan)


def _of_studies(blocks: Blocks, matrix: Array) -> tuple[Array, Array]:
    """Return variances and degrees (K,) of contrasts of one study each."""
    place = np.abs(matrix).argmax(1) if matrix.size else np.zeros(0, int)
    variances, degrees = (part[place] for part in blocks.moderated)
    weight = matrix[np.arange(len(matrix)), place]
    return weight**2 * variances / blocks.finished[place], degrees


def _of_contrasts(blocks: Blocks, matrix: Array) -> tuple[Array, Array]:
    """Return variances and degrees (K,) of contrasts of several studies each, moderated over the models."""
    used = matrix != 0
    own = np.maximum(blocks.finished - 1, 0).astype(float)
    parts = np.where(used, matrix**2 * np.where(own > 0, blocks.variances, np.nan) / np.maximum(blocks.finished, 1), 0)
    total = parts.sum(1)
    known = np.flatnonzero(~np.isnan(total))
    variances, degrees = np.full(len(matrix), np.nan), np.zeros(len(matrix))
    if known.size:
        nu = satterthwaite(parts[known], np.broadcast_to(np.maximum(own, 1), parts[known].shape))
        nu = np.where(total[known] > 0, nu, (used[known] * own).sum(1))
        # the mean over the models: each model's own degrees are a noisy estimate
        variances[known], degrees[known] = moderate(total[known], np.full(known.size, nu.mean()), [0] * known.size)
    return variances, degrees
