"""Inference from a few numbers: levels of tests and intervals, t intervals, Holm's correction."""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np

from benchmark.statistics.student import quantile

SIGNIFICANCE = 0.05  # level of every test
CONFIDENCE = 1 - SIGNIFICANCE  # level of every interval
POWER = 0.8  # at which a difference counts as detectable


@cache
def t_quantile(probability: float, degrees: float) -> float:
    """Return a quantile of Student's t (normal if `degrees` is infinite). Cached: a report needs few values, but often."""
    return float(quantile(probability, degrees))


def mean_interval(values: Sequence[float], level: float = CONFIDENCE) -> tuple[float, float]:
    """Return the mean and the half-width of its t interval; one value has no interval: half-width nan."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, math.nan
    return mean, t_quantile((1 + level) / 2, len(values) - 1) * float(np.std(values, ddof=1)) / math.sqrt(len(values))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values adjusted by Holm's step-down rule (Holm 1979); a nan stays nan but counts as a test."""
    adjusted = [math.nan] * len(p_values)
    running = 0.0
    order = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    for rank, (p, i) in enumerate(order):
        running = max(running, (len(p_values) - rank) * p)
        adjusted[i] = min(1.0, running)
    return adjusted
