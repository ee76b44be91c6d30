"""Test scores of a data set in one metric, by blocks on the working scale: what tables, figures and verdicts compare."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from benchmark.findings.runs import Metric, finals
from benchmark.statistics import (
    Blocks,
    Contrasts,
    Gap,
    Scale,
    Study,
    block_letters,
    column,
    mean_interval,
    over_budgets,
    slopes,
)

Rows = tuple[list[Study], np.ndarray[Any, Any]]  # studies, and the covariance (G, G) of their metric by test rows


@dataclass(frozen=True, eq=False)
class Scores:
    """Test scores of a data set in one metric. Means are taken on the working scale and shown in natural units."""

    metric: Metric
    scale: Scale
    blocks: Blocks
    single: Mapping[Study, tuple[float, ...]]  # final runs on the working scale, of the studies with one finished block
    flops: Mapping[Study, float]  # training FLOPs per example, mean over final runs
    outside: tuple[Study, ...]  # with final runs whose score has no logarithm; they count as not finished
    assumed: tuple[Study, ...]  # without predictions; the noise of test rows is taken to be the largest of the others

    @cached_property
    def replicated(self) -> bool:
        """Return whether some study has several finished blocks; without, the noise of a search is unknown."""
        return bool((self.blocks.finished > 1).any())

    @property
    def covers(self) -> str:
        """Return what the intervals cover."""
        if not self.replicated:
            return "the seeds of one winner"
        return "search and seeds" if self.blocks.rows is None else "search, seeds and test rows"

    @cached_property
    def columns(self) -> dict[float, Contrasts]:
        """Return the means of the models at each budget."""
        return {budget: column(self.blocks, budget) for budget in self.blocks.budgets}

    @cached_property
    def letters(self) -> dict[float, dict[str, str]]:
        """Return the letters of the compared models at each budget."""
        return {budget: block_letters(contrasts) for budget, contrasts in self.columns.items()}

    @cached_property
    def overall(self) -> Contrasts:
        """Return the means of the models over all budgets, the primary family; a model that lacks one is left out."""
        return over_budgets(self.blocks)

    @cached_property
    def slopes(self) -> Contrasts:
        """Return the mean change per 4x compute of the models that have all budgets."""
        return slopes(self.blocks, self.flops)

    def at(self, study: Study) -> tuple[float, float | None] | None:
        """Return a study's mean and the half-width of its interval, None if it is unknown; None without a finished block."""
        model, budget = study
        contrasts = self.columns.get(budget)
        y = contrasts.value_of(model) if contrasts else None
        if contrasts is None or y is None:
            return None
        half = contrasts.half_of(model) if self.replicated else mean_interval(self.single[study])[1]
        return self._natural(y, half)

    def mean(self, model: str) -> tuple[float, float | None] | None:
        """Return a model's mean over budgets and the half-width of its interval; None if it lacks a budget."""
        y = self.overall.value_of(model)
        return None if y is None else self._natural(y, self.overall.half_of(model))

    def difference(self, contrasts: Contrasts, gap: Gap) -> tuple[float, float | None]:
        """Return a - b in natural units and the half-width of its interval.

        Args:
            contrasts: at a budget or over budgets.
            gap: between two of its models.
        """
        a, b = (float(contrasts.values[contrasts.models.index(model)]) for model in (gap.a, gap.b))
        half = None if math.isnan(gap.half) else self.scale.half((a + b) / 2, gap.half)
        return self.scale.natural(a) - self.scale.natural(b), half

    def _natural(self, y: float, half: float | None) -> tuple[float, float | None]:
        known = half is not None and not math.isnan(half)
        return self.scale.natural(y), self.scale.half(y, half or 0.0) if known else None


def scores(
    runs: pl.DataFrame, dataset: str, metric: Metric, planned: int, floor: float | None = None, rows: Rows | None = None
) -> Scores:
    """Return the scores of a data set in one metric.

    A floor that some LogLoss reaches cannot be the least possible one; it is not used then.

    Args:
        runs: tidy runs.
        dataset: whose runs are used.
        metric: auc or logloss.
        planned: number of blocks of each study; one without a finished final run is missing.
        floor: least possible LogLoss, such as the Bayes bound; None if unknown.
        rows: covariance by test rows in natural units; None if unknown.
    """
    of_set = runs.filter((pl.col("dataset") == dataset) & (pl.col("kind") == "final"))
    done = finals(of_set).sort("model", "budget", "block", "seed")
    least = done[f"test_{metric}"].min()
    use_floor = metric == "logloss" and floor is not None and isinstance(least, float) and least > floor
    scale = Scale(metric, floor if use_floor and floor is not None else 0.0)
    values: dict[Study, dict[int, list[float]]] = {
        study: {block: [] for block in range(1, planned + 1)}
        for study in of_set.select("model", "budget").unique().sort("model", "budget").iter_rows()
    }
    outside = set()
    for model, budget, block, value in done.select("model", "budget", "block", f"test_{metric}").iter_rows():
        of_block = values[model, budget].setdefault(block, [])
        if (value < 1) if metric == "auc" else (value > 0):
            of_block.append(value)
        else:
            outside.add((model, budget))
    results = {study: [scale.block(finished) for finished in of.values()] for study, of in values.items()}
    single = {
        study: tuple(scale.working([value for finished in of.values() for value in finished]).tolist())
        for study, of in values.items()
        if sum(map(bool, of.values())) == 1
    }
    compute = pl.col("training_flops").fill_null(pl.col("budget") * 1e6).mean()
    flops = {(m, b): float(f) for m, b, f in of_set.group_by("model", "budget").agg(compute).iter_rows()}
    blocks = Blocks(results)
    covariance, assumed = _on_scale(blocks, scale, rows) if rows is not None else (None, ())
    return Scores(metric, scale, Blocks(results, covariance), single, flops, tuple(sorted(outside)), assumed)


def _on_scale(blocks: Blocks, scale: Scale, rows: Rows) -> tuple[np.ndarray[Any, Any] | None, tuple[Study, ...]]:
    """Return the covariance by test rows in the order of the blocks, and the studies with several blocks that lack it.

    Their variance is taken to be the largest of the others, without covariance: models agree about test rows, so intervals
    and differences are rather too wide than too narrow. The covariance is None if all studies lack it.
    """
    known, natural = rows
    place = {study: i for i, study in enumerate(known)}
    count = len(blocks.values)
    covariance = np.full((count, count), np.nan)
    shared = [i for study, i in blocks.index.items() if study in place and blocks.finished[i]]
    studies = list(blocks.values)
    at = [place[studies[i]] for i in shared]
    means = [scale.natural(float(blocks.means[i])) for i in shared]
    covariance[np.ix_(shared, shared)] = scale.rows(natural[np.ix_(at, at)], means)
    variances = np.diag(covariance)
    if np.isnan(variances).all():
        return None, ()
    unknown = np.flatnonzero(np.isnan(variances) & (blocks.finished > 1))
    largest = np.nanmax(variances)
    covariance[unknown], covariance[:, unknown] = 0.0, 0.0
    covariance[unknown, unknown] = largest
    return covariance, tuple(studies[i] for i in unknown)
