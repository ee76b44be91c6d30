"""Statistics on final runs."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats


def mean_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Mean and half-width of its t interval over seeds; the half-width of a single value is nan: it is not known."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, math.nan
    quantile = float(stats.t.ppf((1 + level) / 2, len(values) - 1))
    return mean, quantile * float(np.std(values, ddof=1)) / math.sqrt(len(values))
