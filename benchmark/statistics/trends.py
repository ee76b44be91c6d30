"""Quality over compute with blocks as the unit: mean gain per 4x, gains at the end, compute to match with an interval."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from benchmark.statistics.blocks import Blocks, Contrasts, Study, contrasts
from benchmark.statistics.scaling import STEP
from benchmark.statistics.seeds import CONFIDENCE
from benchmark.statistics.student import quantile, satterthwaite

PLACES = 100  # between two budgets, at which the interval's ends are looked for

Array = NDArray[np.float64]


def slopes(blocks: Blocks, flops: Mapping[Study, float]) -> Contrasts:
    """Return each model's mean change per 4x compute: least squares over log4 FLOPs.

    Curves bend on every scale, so this is a mean over the given budgets and no law. A model is left out if it lacks a budget
    or has the same FLOPs at all of them, or none; with fewer than two budgets, all are.

    Args:
        blocks: of all studies of the data set.
        flops: training FLOPs per example of each study.
    """
    weights: dict[Study, float] = {}
    for studies, _, x in _places(blocks, flops):
        weights |= dict(zip(studies, (x / (x @ x)).tolist(), strict=True))
    return contrasts(blocks, weights)


def last_steps(blocks: Blocks, flops: Mapping[Study, float]) -> Contrasts:
    """Return each model's mean at the largest budget minus that at the one before.

    A model is left out if it lacks one of the two or has the same FLOPs at both; with fewer than two budgets, all are.

    Args:
        blocks: of all studies of the data set.
        flops: training FLOPs per example of each study.
    """
    weights: dict[Study, float] = {}
    for model in blocks.models if len(blocks.budgets) > 1 else []:
        before, last = ((model, budget) for budget in blocks.budgets[-2:])
        if before in blocks.index and last in blocks.index and flops[before] != flops[last]:
            weights |= {before: -1.0, last: 1.0}
    return contrasts(blocks, weights)


def line(blocks: Blocks, flops: Mapping[Study, float], place: float) -> Contrasts:
    """Return the height of each model's least-squares line over log4 FLOPs, for the models that have a slope.

    Args:
        blocks: of all studies of the data set.
        flops: training FLOPs per example of each study.
        place: at which the line is evaluated, in FLOPs per example.
    """
    weights: dict[Study, float] = {}
    for studies, centre, x in _places(blocks, flops):
        along = 1 / len(x) + (math.log(place, STEP) - centre) * x / (x @ x)
        weights |= dict(zip(studies, along.tolist(), strict=True))
    return contrasts(blocks, weights)


def _places(blocks: Blocks, flops: Mapping[Study, float]) -> Iterator[tuple[list[Study], float, Array]]:
    """Yield of each model with all budgets and different FLOPs its studies, the mean log4 FLOPs, and distances from it."""
    for model in blocks.models:
        studies = [(model, budget) for budget in blocks.budgets]
        if all(study in blocks.index and flops[study] > 0 for study in studies):
            x = np.array([math.log(flops[study], STEP) for study in studies])
            if np.ptp(x):
                yield studies, float(x.mean()), x - x.mean()


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
    Raises ValueError if the model has no two studies of different FLOPs or the target has no finished block.

    Args:
        blocks: of all studies of the data set.
        flops: training FLOPs per example of each study.
        model: whose curve it is; only studies with a finished block count.
        target: a study, whose noise counts too, or a value on the working scale without noise.
    """
    curve = sorted(
        (s for s, i in blocks.index.items() if s[0] == model and blocks.finished[i] and flops[s] > 0),
        key=lambda study: flops[study],
    )
    if len({flops[study] for study in curve}) < 2:
        raise ValueError(
            f"{model} has {len(curve)} studies with a finished block; its curve needs two of different FLOPs"
        )
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
        rows = np.maximum(_own_rows(blocks, weights), 0)
        nu = satterthwaite(parts, np.where(share, degrees[used], 1), rows)
        return np.asarray(distance + side * quantile((1 + CONFIDENCE) / 2, nu) * np.sqrt(parts.sum(1) + rows))


def _own_rows(blocks: Blocks, weights: Array) -> Array:
    """Return the variance (n,) by test rows of n contrasts with weights (n, G), like the diagonal of `by_rows`."""
    if blocks.rows is None:
        return np.zeros(len(weights))
    used = np.flatnonzero((weights != 0).any(0))
    part = weights[:, used]
    return np.asarray(np.einsum("ng,gh,nh->n", part, blocks.rows[np.ix_(used, used)], part))


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
    from scipy import optimize  # takes a fifth of a second

    return float(optimize.brentq(lambda x: float(distances.at(np.array([x]), side)[0]), grid[i - 1], grid[i]))
