"""How each model's LogLoss moves with compute: slopes by seed, saturation, stability, compute needed to match."""

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

FINISHED_SHARE = 0.8  # of the trials; below it a model is called unstable
EXPONENT_BUDGETS, EXPONENT_DECADES = 6, 2.5  # fewer budgets do not determine an exponent


@dataclass(frozen=True)
class Curve:
    """One model on one data set: mean test LogLoss, or another metric, at each budget, the smallest first."""

    model: str
    flops: list[float]  # training, per example
    losses: list[float]
    by_seed: dict[int, list[float]]  # only seeds that are complete at every budget


@dataclass(frozen=True)
class Scaling:
    """What a curve says. Relative LogLoss is in percent of the baseline, the interval's half-width nan where unknown."""

    curve: Curve
    fit: Line | None  # through the means
    intercept: tuple[float, float]  # at the smallest budget: mean over seeds, half-width
    slope: tuple[float, float]  # per 4x
    against: Pair | None  # slope minus the reference's
    last_step: Difference | None  # LogLoss at the last budget minus that at the one before
    power: PowerLaw | None
    failed: int
    attempted: int  # trials and final runs that trained

    @property
    def trend(self) -> Literal["gains", "saturated", "worsens"] | None:
        """What the last step did: saturated where its change is within noise or too small to name; None where unknown."""
        step = self.last_step
        if step is None or math.isnan(step.p):
            return None
        if abs(step.mean) < max(SMALLEST, step.half):
            return "saturated"
        return "gains" if step.mean < 0 else "worsens"

    @property
    def unstable(self) -> bool:
        """Whether too many of its runs failed."""
        return self.attempted > 0 and self.failed / self.attempted > 1 - FINISHED_SHARE

    @property
    def exponent_known(self) -> bool:
        """Whether budgets are many and wide enough, and the fit closed, to speak of an exponent."""
        decades = math.log10(self.curve.flops[-1] / self.curve.flops[0])
        enough = len(self.curve.flops) >= EXPONENT_BUDGETS and decades >= EXPONENT_DECADES
        return enough and self.power is not None and not self.power.open


def curves(runs: pl.DataFrame, dataset: str, metric: str = "logloss") -> dict[str, Curve]:
    """{model: its curve}, of models that have a final run."""
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
    found = {}
    for model, at in sorted(values.items()):
        shared = set.intersection(*(set(seeds) for seeds in at.values()))
        found[model] = Curve(
            model,
            [flops[model, budget] for budget in at],
            [float(np.mean(list(seeds.values()))) for seeds in at.values()],
            {seed: [seeds[seed] for seeds in at.values()] for seed in sorted(shared)},
        )
    return found


def scaling(
    runs: pl.DataFrame, dataset: str, against: str, floor: float | None = None
) -> tuple[float, float, list[Scaling]]:
    """Baseline LogLoss, unit FLOPs (the smallest budget) and each model's scaling; `floor` is a known least LogLoss.

    The baseline is the reference's mean LogLoss at its smallest budget, as the paper's is its smallest DLRM.
    """
    found = curves(runs, dataset)
    if not found:
        return math.nan, math.nan, []
    base = found.get(against) or next(iter(found.values()))
    baseline, unit = base.losses[0], min(curve.flops[0] for curve in found.values())
    lines = {model: _lines(curve, baseline, unit) for model, curve in found.items()}
    theirs = lines.get(against, {})
    others = [(m, against, difference(_slopes(lines[m]), _slopes(theirs))) for m in found if m != against and theirs]
    pairs = {pair.a: pair for pair in family(others)}
    return (
        baseline,
        unit,
        [
            _scaling(curve, lines[m], pairs.get(m), runs.filter(pl.col("dataset") == dataset), baseline, unit, floor)
            for m, curve in found.items()
        ],
    )


def relative(losses: list[float], baseline: float) -> list[float]:
    """Relative LogLoss in percent, as in the Wukong paper's figure 1: below 0 is better than the baseline."""
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
    ran = runs.filter((pl.col("model") == curve.model) & pl.col("status").is_in(["complete", "failed"]))["status"]
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
        int((ran == "failed").sum()),
        len(ran),
    )


def _over_seeds(values: list[float]) -> tuple[float, float]:
    return mean_interval(values) if values else (math.nan, math.nan)


def fitted(flops: list[float], by_seed: list[list[float]]) -> tuple[list[float], list[float]]:
    """A line's mean and half-width of its 95 % interval at each budget, from lines fitted seed by seed; nan for one seed."""
    unit, x = flops[0], np.log(np.array(flops) / flops[0]) / math.log(STEP)
    fits = [line(flops, values, unit) for values in by_seed]
    at = [mean_interval([fit.intercept + fit.slope * place for fit in fits]) for place in x.tolist()]
    return [mean for mean, _ in at], [half for _, half in at]


def matches(found: dict[str, Curve]) -> dict[tuple[str, str], tuple[Match, float]]:
    """{(model, other): (training FLOPs at which it reaches the other's best LogLoss, times the other's compute there)}."""
    result = {}
    for other, theirs in found.items():
        at = int(np.argmin(theirs.losses))
        for model, curve in found.items():
            if model != other:
                match = compute_to_match(curve.flops, curve.losses, theirs.losses[at])
                result[model, other] = match, match.flops / theirs.flops[at]
    return result
