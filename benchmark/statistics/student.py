"""Student's t over arrays, with degrees of freedom that may be fractional or infinite, and sums of variance parts."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Array = NDArray[np.float64]


def two_sided(t: ArrayLike, degrees: ArrayLike) -> Array:
    """Return two-sided p values of t statistics; nan where t is nan or the degrees are not positive."""
    lower, nu = -np.abs(np.asarray(t, float)), np.asarray(degrees, float)
    return np.asarray(2 * np.where(np.isinf(nu), special.ndtr(lower), special.stdtr(nu, lower)))


def quantile(probability: float, degrees: ArrayLike) -> Array:
    """Return quantiles of t, normal where the degrees are infinite; nan where they are not positive."""
    nu = np.asarray(degrees, float)
    return np.where(np.isinf(nu), special.ndtri(probability), special.stdtrit(nu, probability))


def replicate_coverage(confidence: float, degrees: ArrayLike) -> Array:
    """Return the probability that a t interval holds the estimate of a replicate with as much noise.

    The two estimates differ by sqrt(2) standard errors of one, which is all that its interval counts.

    Args:
        confidence: of the interval.
        degrees: of freedom of its standard error.
    """
    return 1 - two_sided(quantile((1 + confidence) / 2, degrees) / np.sqrt(2), degrees)


def satterthwaite(parts: ArrayLike, degrees: ArrayLike, known: ArrayLike = 0.0) -> Array:
    """Return the degrees of freedom (...) of a sum of estimated variances (Satterthwaite 1946, Biometrics Bull. 2, 110-114).

    Args:
        parts: estimated variances (..., n).
        degrees: of each part (..., n).
        known: sum of the parts known exactly (...); they have infinite degrees.
    """
    part, nu = np.asarray(parts, float), np.asarray(degrees, float)
    uncertainty = (part**2 / np.where(nu > 0, nu, np.nan)).sum(-1)
    total = part.sum(-1) + np.asarray(known, float)
    safe = np.where(uncertainty == 0, 1.0, uncertainty)
    return np.where(uncertainty == 0, np.inf, total**2 / safe)
