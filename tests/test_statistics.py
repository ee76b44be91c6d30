"""Intervals cover what they promise."""

import math

import numpy as np
import pytest
from scipy import stats

from benchmark.statistics import mean_interval


def test_the_interval_is_scipys_t_interval() -> None:
    values = [0.81, 0.83, 0.8, 0.84]
    mean, half = mean_interval(values)
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (mean - half, mean + half) == pytest.approx((low, high))


def test_a_single_value_has_no_known_interval() -> None:
    mean, half = mean_interval([0.8])
    assert mean == 0.8 and math.isnan(half)


@pytest.mark.parametrize("n", [3, 5])
def test_the_95_percent_interval_covers_the_truth_in_95_percent(n: int) -> None:
    draws = np.random.default_rng(0).normal(0.8, 0.001, size=(4000, n))
    covered = [abs(mean - 0.8) <= half for mean, half in map(mean_interval, draws.tolist())]
    assert 0.93 <= np.mean(covered) <= 0.97
