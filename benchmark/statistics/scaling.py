"""Quality as a function of compute: lines in log compute, power laws with a floor, compute needed to match."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from benchmark.statistics.seeds import CONFIDENCE, t_quantile

STEP = 4.0  # the Wukong paper's scaling law is per quadrupling of compute (arXiv 2403.02545, section 7.2)
EXPONENTS = np.geomspace(
    1e-3, 3.0, 600
)  # grid searched for the power law's exponent; a range that touches an end is open

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """Least-squares line: value = intercept + slope x log4(flops / unit); nan where there are too few points."""

    intercept: float
    slope: float  # per 4x compute
    intercept_half: float  # half-width of the interval at CONFIDENCE, from the residuals
    slope_half: float
    r2: float
    points: int


def line(flops: ArrayLike, values: ArrayLike, unit: float) -> Line:
    """Return the least-squares line through the points (log4(flops / unit), value); intervals need 3 points.

    Raises ValueError if fewer than 2 budgets differ.

    Args:
        flops: of each point (N,).
        values: of each point (N,).
        unit: FLOPs at which the line has its intercept.
    """
    x, y = np.log(np.asarray(flops, float) / unit) / math.log(STEP), np.asarray(values, float)
    if len(np.unique(x)) < 2:
        raise ValueError(f"a line needs 2 different budgets, got {len(np.unique(x))}")
    fit = stats.linregress(x, y)
    quantile = t_quantile((1 + CONFIDENCE) / 2, len(x) - 2) if len(x) > 2 else math.nan
    return Line(
        float(fit.intercept),
        float(fit.slope),
        quantile * float(fit.intercept_stderr),
        quantile * float(fit.stderr),
        float(fit.rvalue) ** 2,
        len(x),
    )


@dataclass(frozen=True)
class PowerLaw:
    """loss = floor + scale x (flops / unit)^-exponent, with the range of the exponent at CONFIDENCE."""

    floor: float
    scale: float
    exponent: float
    low: float
    high: float
    open: bool  # the range touches an end of EXPONENTS: the points do not determine the exponent


def power_law(flops: ArrayLike, losses: ArrayLike, unit: float, floor: float | None = None) -> PowerLaw:
    """Return the least-squares power law with a floor. Raises ValueError if fewer than 4 budgets differ.

    For a given exponent the other two parameters are linear, so the fit scans the exponent alone and finds the global
    optimum of the grid (variable projection). The range holds the exponents whose residuals pass the F test.

    Args:
        flops: of each point (N,).
        losses: of each point (N,).
        unit: FLOPs in which compute is measured.
        floor: the least possible loss if it is known, such as a Bayes bound; fitted if None.
    """
    c, y = np.asarray(flops, float) / unit, np.asarray(losses, float)
    if len(np.unique(c)) < 4:
        raise ValueError(f"a power law needs 4 different budgets, got {len(np.unique(c))}")
    fits = [_at_exponent(c, y, exponent, floor) for exponent in EXPONENTS]
    residual = np.array([fit[0] for fit in fits])
    best = int(residual.argmin())
    degrees = len(y) - (3 if floor is None else 2)
    bound = residual[best] * (1 + float(stats.f.ppf(CONFIDENCE, 1, degrees)) / degrees)
    inside = np.flatnonzero(residual <= max(bound, np.finfo(float).tiny))
    return PowerLaw(
        *fits[best][1:],
        float(EXPONENTS[best]),
        float(EXPONENTS[inside[0]]),
        float(EXPONENTS[inside[-1]]),
        bool(inside[0] == 0 or inside[-1] == len(EXPONENTS) - 1),
    )


def _at_exponent(c: Array, y: Array, exponent: float, floor: float | None) -> tuple[float, float, float]:
    """Return the sum of squared residuals, the floor and the scale of the best fit with this exponent."""
    power = c**-exponent
    if floor is None:
        design = np.column_stack([np.ones_like(power), power])
        (offset, scale), *_ = np.linalg.lstsq(design, y, rcond=None)
    else:
        offset, scale = floor, float(power @ (y - floor) / (power @ power))
    return float(((y - offset - scale * power) ** 2).sum()), float(offset), float(scale)


@dataclass(frozen=True)
class Match:
    """Compute at which a model reaches a target: interpolated, >= (never reached) or <= (already at the smallest budget)."""

    flops: float
    bound: Literal["", ">=", "<="]

    def __str__(self) -> str:
        return f"{self.bound}{' ' if self.bound else ''}{self.flops:.3g}"


def compute_to_match(flops: ArrayLike, losses: ArrayLike, target: float) -> Match:
    """Return the compute at which the best loss so far reaches the target; interpolated in log compute, never extrapolated.

    Args:
        flops: of each point (N,), in any order.
        losses: of each point (N,).
        target: the loss to reach.
    """
    order = np.argsort(np.asarray(flops, float), kind="stable")
    c = np.asarray(flops, float)[order]
    best = np.minimum.accumulate(np.asarray(losses, float)[order])  # more compute can always match less
    reached = np.flatnonzero(best <= target)
    if not len(reached):
        return Match(float(c[-1]), ">=")
    i = int(reached[0])
    if i == 0:
        return Match(float(c[0]), "" if best[0] == target else "<=")
    share = (best[i - 1] - target) / (best[i - 1] - best[i])
    return Match(float(c[i - 1] * (c[i] / c[i - 1]) ** share), "")
