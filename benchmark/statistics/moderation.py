"""Variances between few blocks, moderated: each borrows from the other studies of its data set and metric.

The method is empirical Bayes as in limma (Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3, article 3) with two changes, chosen
by simulation: a location between limma's and the arithmetic mean, and an upper bound on the borrowed degrees of freedom.
limma's own choice trusts the common variance too much where models differ in the noise of their searches.
"""

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

TINY = 1e-5  # of the median variance; a smaller one counts as this much in the logarithm
MOST_PRIOR = 1e4  # degrees of freedom of a prior estimated as exact

Array = NDArray[np.float64]


def borrowed(studies: int) -> float:
    """Return the most degrees of freedom a study borrows, as a multiple of its own."""
    return min(4.0, (studies - 1) / 8)


def moderate(
    variances: ArrayLike, degrees: ArrayLike, groups: Sequence[Hashable], prior: float | None = None
) -> tuple[Array, Array]:
    """Return moderated variances (G,) and their degrees of freedom (G,).

    A single variance stays as it is. If all are zero, nothing is known about the noise: they become nan.
    Raises ValueError if a variance is negative or nan, degrees are not positive, or lengths differ.

    Args:
        variances: between the blocks of each study (G,).
        degrees: of each variance (G,), positive.
        groups: of each study (G,), such as its budget; the prior has one location per group.
        prior: degrees of freedom of the prior, without an upper bound: 0 leaves all variances as they are, infinity
            replaces them by the location of their group. If None, they are estimated and bounded.
    """
    s2, d = np.asarray(variances, float), np.asarray(degrees, float)
    if not s2.shape == d.shape == (len(groups),):
        raise ValueError(f"{s2.shape} variances, {d.shape} degrees and {len(groups)} groups; each study needs one")
    if not ((s2 >= 0) & (d > 0)).all():
        raise ValueError("each study needs a variance >= 0 and degrees of freedom > 0")
    if not (s2 > 0).any():
        return np.full(s2.shape, math.nan), d
    if len(s2) == 1 or prior == 0:
        return s2, d
    names = list(dict.fromkeys(groups))
    group = np.array([names.index(name) for name in groups])
    size = np.bincount(group)
    median = float(np.median(s2)) or float(s2[s2 > 0].min())
    z = np.log(np.maximum(s2, TINY * median)) + _log_bias(d)
    center = np.bincount(group, z) / size
    scatter = float(((z - center[group]) ** 2).sum()) / max(len(s2) - len(names), 1)
    estimated = _prior_degrees(scatter - float(special.zeta(2, d / 2).mean())) if prior is None else prior
    # the root of limma's location times the arithmetic mean; a group with no spread at all takes the common location
    known = np.bincount(group, s2) > 0
    mean = np.where(known, np.bincount(group, s2) / size, 1.0)
    location = np.sqrt(np.exp(center - _log_bias(np.array(estimated))) * mean)
    common = math.exp(float(np.log(location[known]).mean()))
    target = np.where(known, np.maximum(location, common), common)[group]
    if math.isinf(estimated):
        return target, np.full(d.shape, math.inf)
    weight = np.minimum(estimated, d * borrowed(len(s2))) if prior is None else np.full(d.shape, estimated)
    return (weight * target + d * s2) / (weight + d), weight + d


def _log_bias(degrees: Array) -> Array:
    """Return the correction that makes the log of an estimated variance unbiased for the log of the true one."""
    half = np.minimum(degrees, 1e12) / 2
    return np.asarray(np.log(half) - special.digamma(half))


def _prior_degrees(excess: float) -> float:
    """Return degrees of freedom d0 with trigamma(d0 / 2) = `excess`, the scatter of log variances beyond chance."""
    return min(2 * _trigamma_inverse(excess), MOST_PRIOR) if excess > 0 else MOST_PRIOR


def _trigamma_inverse(y: float) -> float:
    """Return x with trigamma(x) = y > 0, by Newton's method on 1 / trigamma, which is convex and nearly linear."""
    x = 0.5 + 1 / y
    for _ in range(50):
        value = float(special.zeta(2, x))  # trigamma; its derivative is -2 zeta(3, x)
        step = value * (1 - value / y) / (-2 * float(special.zeta(3, x)))
        x += step
        if abs(step) < 1e-10 * x:
            break
    return x
