"""Inference from a few seeds: t intervals, paired differences, Holm's correction, minimum detectable difference."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import stats

SIGNIFICANCE = 0.05  # level of every test
CONFIDENCE = 1 - SIGNIFICANCE  # level of every interval
POWER = 0.8  # at which a difference counts as detectable


@cache
def t_quantile(probability: float, degrees: float) -> float:
    """Return a quantile of Student's t (normal if `degrees` is infinite). Cached: a report needs few values, but often."""
    return float(stats.t.ppf(probability, degrees))


def mean_interval(values: Sequence[float], level: float = CONFIDENCE) -> tuple[float, float]:
    """Return the mean and the half-width of its t interval over seeds; one value has no interval: half-width nan."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, math.nan
    return mean, t_quantile((1 + level) / 2, len(values) - 1) * float(np.std(values, ddof=1)) / math.sqrt(len(values))


@dataclass(frozen=True)
class Difference:
    """Mean of a - b over shared seeds; nan where a single seed is not enough."""

    mean: float
    half: float  # of the t interval at CONFIDENCE
    p: float  # two-sided, of the null hypothesis of no difference
    error: float  # standard error of the mean
    seeds: int  # shared


def difference(a: Mapping[int, float], b: Mapping[int, float]) -> Difference:
    """Return the difference of two models' values {seed: value} over the seeds they share (paired t test)."""
    shared = sorted(a.keys() & b.keys())
    if not shared:
        return Difference(math.nan, math.nan, math.nan, math.nan, 0)
    values = np.array([a[seed] - b[seed] for seed in shared])
    mean, half = mean_interval(values.tolist())
    if len(shared) < 2:
        return Difference(mean, math.nan, math.nan, math.nan, 1)
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    if error == 0:  # no spread over seeds: equal runs, or a gap without noise
        return Difference(mean, half, 1.0 if mean == 0 else 0.0, 0.0, len(shared))
    p = 2 * float(stats.t.sf(abs(mean) / error, len(values) - 1))
    return Difference(mean, half, p, error, len(shared))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values adjusted by Holm's step-down rule (Holm 1979); a nan stays nan but counts as a test."""
    adjusted = [math.nan] * len(p_values)
    running = 0.0
    order = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    for rank, (p, i) in enumerate(order):
        running = max(running, (len(p_values) - rank) * p)
        adjusted[i] = min(1.0, running)
    return adjusted


def normal_half(error: float, level: float = CONFIDENCE) -> float:
    """Return the half-width of the interval of a normal estimate with this standard error."""
    return float(stats.norm.ppf((1 + level) / 2)) * error


def minimum_detectable(
    error: float, degrees: float = math.inf, level: float = CONFIDENCE, power: float = POWER
) -> float:
    """Return the minimum detectable difference of a two-sided test: (t_{(1+level)/2} + t_{power}) x error.

    Args:
        error: standard error of the difference.
        degrees: degrees of freedom; normal quantiles if infinite.
        level: 1 minus the significance level of the test.
        power: probability that the test detects a true difference of that size.
    """
    return (t_quantile((1 + level) / 2, degrees) + t_quantile(power, degrees)) * error
