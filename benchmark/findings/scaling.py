"""Scaling of each model's LogLoss with compute: slopes by seed, saturation, stability, compute to match."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from benchmark.findings.comparison import SMALLEST, Pair, cells, family
from benchmark.statistics import (
    STEP,
    Difference,
    Line,
    Match,
    PowerLaw,
    compute_to_match,
    difference,
    line,
    mean_interval,
    power_law,
)

FINISHED_SHARE = 0.8  # of the trials; below it a model counts as unstable
EXPONENT_BUDGETS, EXPONENT_DECADES = 6, 2.5  # the fewest budgets and decades that determine an exponent


@dataclass(frozen=True)
class Curve:
    """One model on one data set: mean test LogLoss (or another metric) at each budget, in ascending order."""

    model: str
    flops: list[float]  # training, per example
    losses: list[float]
    by_seed: dict[int, list[float]]  # only seeds with a complete run at every budget


@dataclass(frozen=True)
class Scaling:
    """Scaling of one model. Relative LogLoss is in percent of the baseline; a half-width is nan if unknown."""

    curve: Curve
    fit: Line | None  # through the means
    intercept: tuple[float, float]  # relative LogLoss at the smallest budget: mean over seeds, half-width
    slope: tuple[float, float]  # of relative LogLoss per 4x compute: mean over seeds, half-width
    against: Pair | None  # slope minus the reference's
    last_step: Difference | None  # LogLoss at the last budget minus LogLoss at the one before
    power: PowerLaw | None
    failed: int  # of these, or collapsed
    attempted: int  # trials, retrials and final runs that were trained

    @property
    def trend(self) -> Literal["gains", "saturated", "worsens"] | None:
        """Return the trend of the last step: saturated if the change is within noise or below SMALLEST; None if unknown."""
        step = self.last_step
        if step is None or math.isnan(step.p):
            return None
        if abs(step.mean) < max(SMALLEST, step.half):
            return "saturated"
        return "gains" if step.mean < 0 else "worsens"

    @property
    def unstable(self) -> bool:
        """Return whether too many of the runs failed or collapsed."""
        return self.attempted > 0 and self.failed / self.attempted > 1 - FINISHED_SHARE

    @property
    def exponent_known(self) -> bool:
        """Return whether there are enough budgets over enough decades, and the range of the exponent is closed."""
        decades = math.log10(self.curve.flops[-1] / self.curve.flops[0])
        enough = len(self.curve.flops) >= EXPONENT_BUDGETS and decades >= EXPONENT_DECADES
        return enough and self.power is not None and not self.power.open


def curves(runs: pl.DataFrame, dataset: str, metric: str = "logloss") -> dict[str, Curve]:
    """Return {model: curve} of the models with final runs.

    Args:
        runs: tidy runs.
        dataset: whose runs are used.
        metric: of the curve.
    """
    values: dict[str, dict[float, dict[int, float]]] = {}
    for (name, budget), cell in sorted(cells(runs, metric).items()):
        if name == dataset:
            for model, seeds in cell.items():
                values.setdefault(model, {})[budget] = seeds
    flops = {
        (model, budget): float(count)
        for model, budget, count in runs.filter((pl.col("dataset") == dataset) & (pl.col("kind") == "final"))
        .select("model", "budget", pl.col("training_flops").fill_null(pl.col("budget") * 1e6))
        .iter_rows()
    }
    result = {}
    for model, budgets in sorted(values.items()):
        shared = set.intersection(*(set(seeds) for seeds in budgets.values()))
        result[model] = Curve(
            model,
            [flops[model, budget] for budget in budgets],
            [float(np.mean(list(seeds.values()))) for seeds in budgets.values()],
            {seed: [seeds[seed] for seeds in budgets.values()] for seed in sorted(shared)},
        )
    return result


def scaling(
    runs: pl.DataFrame, dataset: str, against: str, floor: float | None = None
) -> tuple[float, float, list[Scaling]]:
    """Return the baseline LogLoss, the unit FLOPs (the smallest budget) and each model's scaling.

    The baseline is the reference's mean LogLoss at its smallest budget, like the smallest DLRM in the Wukong paper.

    Args:
        runs: tidy runs.
        dataset: whose runs are used.
        against: the reference model, with which slopes are compared.
        floor: the least possible LogLoss if it is known.
    """
    by_model = curves(runs, dataset)
    if not by_model:
        return math.nan, math.nan, []
    base = by_model.get(against) or next(iter(by_model.values()))
    baseline, unit = base.losses[0], min(curve.flops[0] for curve in by_model.values())
    lines = {model: _lines(curve, baseline, unit) for model, curve in by_model.items()}
    reference = lines.get(against, {})
    others = [
        (model, against, difference(_slopes(lines[model]), _slopes(reference)))
        for model in by_model
        if model != against and reference
    ]
    pairs = {pair.a: pair for pair in family(others)}
    return (
        baseline,
        unit,
        [
            _scaling(curve, lines[m], pairs.get(m), runs.filter(pl.col("dataset") == dataset), baseline, unit, floor)
            for m, curve in by_model.items()
        ],
    )


def relative(losses: list[float], baseline: float) -> list[float]:
    """Return relative LogLoss in percent (Wukong paper, figure 1); below 0 is better than the baseline."""
    return [100 * (loss / baseline - 1) for loss in losses]


def _lines(curve: Curve, baseline: float, unit: float) -> dict[int, Line]:
    if len(curve.flops) < 2:
        return {}
    return {seed: line(curve.flops, relative(losses, baseline), unit) for seed, losses in curve.by_seed.items()}


def _slopes(lines: dict[int, Line]) -> dict[int, float]:
    return {seed: fit.slope for seed, fit in lines.items()}


def _scaling(
    curve: Curve,
    lines: dict[int, Line],
    pair: Pair | None,
    runs: pl.DataFrame,
    baseline: float,
    unit: float,
    floor: float | None,
) -> Scaling:
    fit = line(curve.flops, relative(curve.losses, baseline), unit) if len(curve.flops) > 1 else None
    own = runs.filter((pl.col("model") == curve.model) & (pl.col("kind") != "doubled"))
    ran = own.filter(pl.col("status").is_in(["complete", "collapsed", "failed"]))["status"]
    steps = {seed: losses[-2:] for seed, losses in curve.by_seed.items()}
    every = [(c, loss) for losses in curve.by_seed.values() for c, loss in zip(curve.flops, losses, strict=True)]
    return Scaling(
        curve,
        fit,
        _over_seeds([fit.intercept for fit in lines.values()]),
        _over_seeds([fit.slope for fit in lines.values()]),
        pair,
        difference({s: v[1] for s, v in steps.items()}, {s: v[0] for s, v in steps.items()}) if fit else None,
        power_law([c for c, _ in every], [loss for _, loss in every], unit, floor)
        if len(curve.flops) >= 4 and every
        else None,
        int((ran != "complete").sum()),
        len(ran),
    )


def _over_seeds(values: list[float]) -> tuple[float, float]:
    return mean_interval(values) if values else (math.nan, math.nan)


def fitted(flops: list[float], by_seed: list[list[float]]) -> tuple[list[float], list[float]]:
    """Return the mean and the half-width of the interval at each budget of lines fitted seed by seed; nan for one seed."""
    unit, x = flops[0], np.log(np.array(flops) / flops[0]) / math.log(STEP)
    fits = [line(flops, values, unit) for values in by_seed]
    intervals = [mean_interval([fit.intercept + fit.slope * place for fit in fits]) for place in x.tolist()]
    return [mean for mean, _ in intervals], [half for _, half in intervals]


def matches(by_model: dict[str, Curve]) -> dict[tuple[str, str], tuple[Match, float]]:
    """Return {(model, other): (training FLOPs to reach the other's best LogLoss, multiple of the other's compute)}."""
    result = {}
    for other, target in by_model.items():
        best = int(np.argmin(target.losses))
        for model, curve in by_model.items():
            if model != other:
                match = compute_to_match(curve.flops, curve.losses, target.losses[best])
                result[model, other] = match, match.flops / target.flops[best]
    return result
