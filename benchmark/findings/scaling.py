"""Scaling of each model with compute: mean gain per 4x, the last step, stability, compute to match."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from benchmark.findings.scores import Scores
from benchmark.statistics import (
    Change,
    Crossing,
    Gap,
    PowerLaw,
    Study,
    changes,
    crossing,
    gaps,
    last_steps,
    line,
    power_law,
)

FINISHED_SHARE = 0.8  # of the trials; below it a model counts as unstable
EXPONENT_BUDGETS, EXPONENT_DECADES = 6, 2.5  # the fewest budgets and decades that determine an exponent
PLACES = 25  # at which a fitted line is drawn; it bends in natural units


@dataclass(frozen=True)
class Scaling:
    """Scaling of one model on the working scale, where lower is better; None where a statistic cannot be had."""

    model: str
    budgets: int
    slope: Change | None  # per 4x compute
    against: Gap | None  # slope minus the reference's
    last_step: Change | None
    power: PowerLaw | None  # where the budgets determine its exponent
    failed: int  # of these, or collapsed
    attempted: int  # trials, retrials and final runs that were trained

    @property
    def unstable(self) -> bool:
        """Return whether too many of the runs failed or collapsed."""
        return self.attempted > 0 and self.failed / self.attempted > 1 - FINISHED_SHARE


def scaling(scores: Scores, runs: pl.DataFrame, against: str) -> list[Scaling]:
    """Return the scaling of each model with a finished block.

    Args:
        scores: of a data set.
        runs: its tidy runs.
        against: the reference model, with which slopes are compared.
    """
    slopes = {change.model: change for change in changes(scores.slopes)}
    steps = {change.model: change for change in changes(last_steps(scores.blocks, scores.flops))}
    pairs = {gap.a: gap for gap in gaps(scores.slopes, against)}
    trained = runs.filter((pl.col("kind") != "doubled") & pl.col("status").is_in(["complete", "collapsed", "failed"]))
    result = []
    for model in scores.blocks.models:
        studies = finished(scores, model)
        status = trained.filter(pl.col("model") == model)["status"]
        if studies:
            result.append(
                Scaling(
                    model,
                    len(studies),
                    slopes.get(model),
                    pairs.get(model),
                    steps.get(model),
                    _power(scores, studies),
                    int((status != "complete").sum()),
                    len(status),
                )
            )
    return result


def unit(scores: Scores) -> str:
    """Return what gains are percentages of: what the working scale is the logarithm of."""
    if scores.metric == "auc":
        return "1 − AUC"
    return "LogLoss above Bayes" if scores.scale.floor else "LogLoss"


def gain(scores: Scores, change: Change | Gap) -> tuple[float, float]:
    """Return a change as a gain in percent of `unit`, positive where it is better, and the half-width of its interval.

    Args:
        scores: whose working scale the change is on.
        change: a slope or step, or the difference of two slopes, which becomes that of their gains.
    """
    if isinstance(change, Gap):
        a, b = (scores.slopes.value_of(model) or 0.0 for model in (change.a, change.b))
        return 100 * (math.exp(b) - math.exp(a)), 100 * math.exp((a + b) / 2) * change.half
    return -100 * math.expm1(change.value), 100 * math.exp(change.value) * change.half


def finished(scores: Scores, model: str) -> list[Study]:
    """Return the model's studies with a finished block, by compute."""
    studies = [study for study, i in scores.blocks.index.items() if study[0] == model and scores.blocks.finished[i]]
    return sorted(studies, key=lambda study: (scores.flops[study], study))


def fitted(scores: Scores) -> dict[str, tuple[list[float], list[float], list[float]]]:
    """Return {model: (FLOPs, heights, half-widths)} of the lines over log compute that fit.

    Natural units. A line fits if it passes within the intervals of all means of its model.
    """
    models = [model for model in scores.slopes.models if _fits(scores, model)]
    compute = [scores.flops[study] for study in scores.blocks.values if study[0] in scores.slopes.models]
    if not models:
        return {}
    places = np.geomspace(min(compute), max(compute), PLACES).tolist()
    lines = [line(scores.blocks, scores.flops, place) for place in places]
    result = {}
    for model in models:
        i = lines[0].models.index(model)
        heights = [float(at.values[i]) for at in lines]
        halves = [scores.scale.half(y, float(at.half[i])) for y, at in zip(heights, lines, strict=True)]
        result[model] = places, [scores.scale.natural(y) for y in heights], halves
    return result


def _fits(scores: Scores, model: str) -> bool:
    """Return whether the model's line passes within the intervals of all its means; an unknown interval holds no line."""
    for study in finished(scores, model):
        height = line(scores.blocks, scores.flops, scores.flops[study]).value_of(model)
        mean, half = scores.at(study) or (math.nan, None)
        if height is None or half is None or not abs(scores.scale.natural(height) - mean) <= half:
            return False
    return True


def matches(scores: Scores) -> dict[tuple[str, str], tuple[Crossing, float]]:
    """Return {(model, other): (compute at which the model meets the other's best mean, compute that the other needed)}."""
    studies = {model: of_model for model in scores.blocks.models if (of_model := finished(scores, model))}
    result = {}
    for other, of_other in studies.items():
        best = min(of_other, key=lambda study: float(scores.blocks.means[scores.blocks.index[study]]))
        for model, own in studies.items():
            if model != other and len({scores.flops[study] for study in own if scores.flops[study]}) > 1:
                result[model, other] = crossing(scores.blocks, scores.flops, model, best), scores.flops[best]
    return result


def _power(scores: Scores, studies: list[Study]) -> PowerLaw | None:
    """Return the power law through the blocks of the studies if enough budgets over enough decades determine its exponent."""
    flops: Mapping[Study, float] = scores.flops
    low, high = flops[studies[0]], flops[studies[-1]]
    if scores.metric != "logloss" or len(studies) < EXPONENT_BUDGETS or high < 10**EXPONENT_DECADES * max(low, 1):
        return None
    points = [(flops[study], y) for study in studies for y in scores.blocks.values[study] if not math.isnan(y)]
    law = power_law(
        [compute for compute, _ in points],
        [scores.scale.natural(y) for _, y in points],
        flops[studies[0]],
        scores.scale.floor or None,
    )
    return None if law.open else law
