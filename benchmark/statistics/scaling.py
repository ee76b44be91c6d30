"""Quality as a function of compute: power laws with a floor."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from benchmark.statistics.seeds import CONFIDENCE

STEP = 4.0  # the Wukong paper's scaling law is per quadrupling of compute (arXiv 2403.02545, section 7.2)
EXPONENTS = np.geomspace(
    1e-3, 3.0, 600
)  # grid searched for the power law's exponent; a range that touches an end is open

Array = NDArray[np.float64]


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
    bound = residual[best] * (1 + float(special.fdtri(1, degrees, CONFIDENCE)) / degrees)
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
