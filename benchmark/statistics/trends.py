"""Quality over compute with blocks as the unit: mean gain per 4x, gains at the end, compute to match with an interval."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from benchmark.statistics.blocks import Blocks, Contrasts, Study, by_rows, contrasts
from benchmark.statistics.scaling import STEP
from benchmark.statistics.seeds import CONFIDENCE
from benchmark.statistics.student import quantile, satterthwaite

PLACES = 100  # between two budgets, at which the interval's ends are looked for

Array = NDArray[np.float64]


def slopes(blocks: Blocks, flops: Mapping[Study, float]) -> Contrasts:
    """Return each model's mean gain per 4x compute: least squares over log4 FLOPs. No model for fewer than two budgets.

    Curves bend on every scale, so this is a mean over the given budgets and no law.

    Args:
        blocks: of all studies of the data set.
        flops: training FLOPs per example of each study.
    """
    weights: dict[Study, float] = {}
    for model in blocks.models if len(blocks.budgets) > 1 else []:
        studies = [(model, budget) for budget in blocks.budgets]
        if all(study in blocks.index for study in studies):
            x = np.array([math.log(flops[study], STEP) for study in studies])
            x -= x.mean()
            weights |= dict(zip(studies, (x / (x @ x)).tolist(), strict=True))
    return contrasts(blocks, weights)


def last_steps(blocks: Blocks) -> Contrasts:
    """Return each model's mean at the largest budget minus that at the one before. No model for fewer than two budgets."""
    ends = blocks.budgets[-2:]
    signs = dict(zip(ends, (-1.0, 1.0), strict=True)) if len(ends) == 2 else {}
    return contrasts(blocks, {(model, budget): sign for model in blocks.models for budget, sign in signs.items()})


@dataclass(frozen=True)
class Crossing:
    """Compute at which a curve first meets a target, in the unit of the budgets' FLOPs.

    `point` is inf if the curve does not meet the target, the smallest budget if it does so from the start. `low` and `high`
    are the interval's ends at CONFIDENCE, nan if nothing is known of the noise; inf is beyond the largest budget.
    """

    point: float
    low: float
    high: float
    low_open: bool  # the low end is the smallest budget or below
    high_open: bool  # the high end is beyond the largest budget
    smallest: float
    largest: float

    @property
    def reached(self) -> bool:
        """Return whether the curve meets the target within the budgets."""
        return math.isfinite(self.point)

    @property
    def at_once(self) -> bool:
        """Return whether the curve meets the target at the smallest budget."""
        return self.point == self.smallest


def crossing(blocks: Blocks, flops: Mapping[Study, float], model: str, target: Study | float) -> Crossing:
    """Return the compute at which a model meets a target; its interval holds what is not told apart from the target.

    The curve is linear in log compute between budgets and is never extrapolated.
    Raises ValueError if the model has fewer than two studies or the target has no finished block.

    Args:
        blocks: of all studies of the data set.
        flops: training FLOPs per example of each study.
        model: whose curve it is; only studies with a finished block count.
        target: a study, whose noise counts too, or a value on the working scale without noise.
    """
    curve = sorted(
        (study for study, i in blocks.index.items() if study[0] == model and blocks.finished[i]),
        key=lambda study: flops[study],
    )
    if len(curve) < 2:
        raise ValueError(f"{model} has {len(curve)} studies with a finished block; its curve needs two")
    if isinstance(target, tuple) and not (target in blocks.index and blocks.finished[blocks.index[target]]):
        raise ValueError(f"the target {target} has no finished block")
    x = np.log([flops[study] for study in curve])
    places = [blocks.index[study] for study in curve]
    distances = _Distances(blocks, x, places, target)
    grid = np.unique(np.concatenate([np.linspace(a, b, PLACES + 1) for a, b in pairwise(x)]))
    point, low, high = (_first(distances, grid, side) for side in (0.0, -1.0, 1.0))

    def compute(place: float) -> float:
        return flops[curve[0]] if place == x[0] else flops[curve[-1]] if place == x[-1] else math.exp(place)

    return Crossing(
        compute(point),
        compute(low),
        compute(high),
        low == x[0],
        high == math.inf,
        flops[curve[0]],
        flops[curve[-1]],
    )


@dataclass(frozen=True, eq=False)
class _Distances:
    """Distance of an interpolated curve from its target, with its noise."""

    blocks: Blocks
    x: Array  # log compute of the curve's studies, ascending
    places: list[int]  # of these studies in `blocks`
    target: Study | float

    def at(self, x: Array, side: float) -> Array:
        """Return curve - target + side x half-width of the interval (n,) at n places."""
        blocks = self.blocks
        weights = np.zeros((len(x), len(blocks.values)))
        for place, unit in zip(self.places, np.eye(len(self.places)), strict=True):
            weights[:, place] = np.interp(x, self.x, unit)
        level = self.target
        if isinstance(level, tuple):
            weights[:, blocks.index[level]] -= 1
            level = 0.0
        distance = np.asarray(weights @ blocks.means - level)
        if side == 0:
            return distance
        variances, degrees = blocks.moderated
        used = np.flatnonzero((weights != 0).any(0))
        share = weights[:, used] != 0
        parts = np.where(share, weights[:, used] ** 2 * variances[used] / np.maximum(blocks.finished[used], 1), 0)
        rows = np.maximum(np.diag(by_rows(blocks, weights)), 0)
        nu = satterthwaite(parts, np.where(share, degrees[used], 1), rows)
        return np.asarray(distance + side * quantile((1 + CONFIDENCE) / 2, nu) * np.sqrt(parts.sum(1) + rows))


def _first(distances: _Distances, grid: Array, side: float) -> float:
    """Return the first place at which `distances` is at most 0: inf if there is none, nan if it cannot be told."""
    values = distances.at(grid, side)
    rounding = 1e-12 * float(np.abs(distances.blocks.means).max())  # of a curve that meets its target at a budget
    reached = np.flatnonzero(values <= rounding)
    unknown = np.flatnonzero(np.isnan(values))
    if not reached.size:
        return math.nan if unknown.size else math.inf
    i = int(reached[0])
    if unknown.size and unknown[0] < i:
        return math.nan
    if i == 0 or values[i] >= 0:
        return float(grid[i])
    return float(optimize.brentq(lambda x: float(distances.at(np.array([x]), side)[0]), grid[i - 1], grid[i]))
