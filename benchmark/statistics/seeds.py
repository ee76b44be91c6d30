"""What a few seeds can say: t intervals, paired differences, Holm's correction and the least difference they detect."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import stats


@cache
def t_quantile(probability: float, degrees: float) -> float:
    """Quantile of Student's t, normal where `degrees` are infinite. Kept: a report asks thousands of times for a few."""
    return float(stats.t.ppf(probability, degrees))


def mean_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Mean and half-width of its t interval over seeds; the half-width of a single value is nan: it is not known."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, math.nan
    return mean, t_quantile((1 + level) / 2, len(values) - 1) * float(np.std(values, ddof=1)) / math.sqrt(len(values))


@dataclass(frozen=True)
class Difference:
    """Mean of a - b over shared seeds; what a single seed cannot tell is nan."""

    mean: float
    half: float  # of the 95 % t interval
    p: float  # two-sided, against no difference
    error: float  # standard error of the mean
    seeds: int  # shared


def difference(a: Mapping[int, float], b: Mapping[int, float]) -> Difference:
    """Difference of two models' values {seed: value}, paired by the seeds they share (paired t test)."""
    shared = sorted(a.keys() & b.keys())
    if not shared:
        return Difference(math.nan, math.nan, math.nan, math.nan, 0)
    values = np.array([a[seed] - b[seed] for seed in shared])
    mean, half = mean_interval(values.tolist())
    if len(shared) < 2:
        return Difference(mean, math.nan, math.nan, math.nan, 1)
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    if error == 0:  # every seed says the same: equal runs, or a gap without any noise
        return Difference(mean, half, 1.0 if mean == 0 else 0.0, 0.0, len(shared))
    p = 2 * float(stats.t.sf(abs(mean) / error, len(values) - 1))
    return Difference(mean, half, p, error, len(shared))


def holm(p_values: Sequence[float]) -> list[float]:
    """p values adjusted for their number by Holm's step-down rule (Holm 1979); a nan stays nan and counts as a test."""
    adjusted = [math.nan] * len(p_values)
    running = 0.0
    order = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    for rank, (p, i) in enumerate(order):
        running = max(running, (len(p_values) - rank) * p)
        adjusted[i] = min(1.0, running)
    return adjusted


def normal_half(error: float, level: float = 0.95) -> float:
    """Half-width of the interval of a normal estimate with this standard error."""
    return float(stats.norm.ppf((1 + level) / 2)) * error


def minimum_detectable(error: float, degrees: float = math.inf, level: float = 0.95, power: float = 0.8) -> float:
    """Least true difference that a two-sided test of this standard error finds with the given power.

    (t_{(1+level)/2} + t_{power}) x error, normal quantiles where `degrees` of freedom are infinite.
    """
    return (t_quantile((1 + level) / 2, degrees) + t_quantile(power, degrees)) * error
