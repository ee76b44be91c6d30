"""Working scales and moderated variances."""

import math

import numpy as np
import pytest
from planted_blocks import NAMES
from scipy import special, stats

from benchmark.statistics import Blocks, Scale, moderate


@pytest.mark.parametrize(
    ("scale", "value"), [(Scale("auc"), 0.98), (Scale("logloss"), 0.4), (Scale("logloss", 0.3), 0.4)]
)
def test_scales_invert_and_their_half_width_is_the_derivative_times_the_width(scale, value):
    y = float(scale.working(value))
    assert scale.natural(y) == pytest.approx(value, abs=1e-12)
    slope = (scale.natural(y + 1e-6) - scale.natural(y - 1e-6)) / 2e-6
    assert scale.half(y, 0.05) == pytest.approx(abs(slope) * 0.05, rel=1e-6)
    better = value + 0.001 if scale.metric == "auc" else value - 0.001
    assert scale.working(better) < y


def test_a_block_is_the_mean_of_its_finished_runs_and_missing_without_any():
    scale = Scale("logloss")
    assert scale.block([0.4, math.nan, 0.5]) == pytest.approx((math.log(0.4) + math.log(0.5)) / 2)
    assert math.isnan(scale.block([math.nan])) and math.isnan(scale.block([]))


def test_row_covariance_on_the_scale_of_auc_is_divided_by_the_errors():
    assert Scale("auc").rows([[4.0, 1.0], [1.0, 9.0]], [0.9, 0.8]) == pytest.approx(
        np.array([[4 / 0.01, 1 / 0.02], [1 / 0.02, 9 / 0.04]])
    )


def test_values_without_a_logarithm_and_a_floor_of_auc_raise_errors():
    with pytest.raises(ValueError, match=r"1 values reach or pass 1 \(AUC\), such as 1.0"):
        Scale("auc").working([0.9, 1.0])
    with pytest.raises(ValueError, match=r"the floor 0.3 \(LogLoss\), such as 0.29"):
        Scale("logloss", 0.3).working([0.29, math.nan])
    with pytest.raises(ValueError, match=r"has no floor, got 0\.3"):
        Scale("auc", 0.3)


def test_36_studies_of_blocks_minus_1_0_1_have_a_known_variance():
    variances, degrees = Blocks({(m, float(b)): [-1, 0, 1] for m in NAMES for b in range(4)}).moderated
    assert variances == pytest.approx(np.full(36, 1.26760), abs=5e-6)
    assert degrees == pytest.approx(np.full(36, 10.0))


def test_moderated_variances_follow_the_formulas_written_out():
    generator = np.random.default_rng(3)
    s2, d = np.exp(generator.normal(0, 1.5, (6, 3))), 3.0
    z = np.log(s2) - special.digamma(d / 2) + math.log(d / 2)
    x = ((z - z.mean(0)) ** 2).sum() / (18 - 3) - special.polygamma(1, d / 2)
    grid = np.geomspace(1e-2, 1e4, 2_000_001)  # trigamma falls: its inverse by table
    d0 = 2 * float(np.interp(-x, -special.polygamma(1, grid), grid))
    assert d0 < d * 17 / 8, "the test needs a prior under its bound"
    location = np.sqrt(np.exp(z.mean(0) + special.digamma(d0 / 2) - math.log(d0 / 2)) * s2.mean(0))
    location = np.maximum(location, stats.gmean(location))
    variances, degrees = moderate(s2.ravel(), np.full(18, d), list(range(3)) * 6)
    assert degrees == pytest.approx(np.full(18, d0 + d), rel=1e-6)
    assert variances == pytest.approx(((d0 * location + d * s2) / (d0 + d)).ravel(), rel=1e-6)


def test_more_studies_lend_more_up_to_four_times_the_own_degrees():
    def degrees(studies: int) -> float:
        return float(moderate(np.ones(studies), np.full(studies, 3.0), [0] * studies)[1][0])

    assert [degrees(n) for n in (1, 2, 9, 33, 60)] == pytest.approx([3, 3.375, 6, 15, 15])


def test_a_prior_of_infinite_weight_pools_and_one_of_no_weight_leaves_variances_alone():
    s2 = np.array([0.5, 1.0, 4.0, 2.0])
    pooled, degrees = moderate(s2, np.full(4, 3.0), [0] * 4, prior=math.inf)
    z = np.log(s2) - special.digamma(1.5) + math.log(1.5)
    assert pooled == pytest.approx(np.full(4, math.sqrt(math.exp(z.mean()) * s2.mean())))
    assert np.isinf(degrees).all()
    own, degrees = moderate(s2, np.full(4, 3.0), [0] * 4, prior=0)
    assert own.tolist() == s2.tolist() and degrees.tolist() == [3.0] * 4


def test_moderation_scales_with_the_squared_unit_and_ignores_the_order_of_studies():
    s2, d, group = np.exp(np.random.default_rng(4).normal(size=12)), np.full(12, 3.0), [0, 1, 2] * 4
    base, degrees = moderate(s2, d, group)
    assert moderate(1e-6 * s2, d, group)[0] == pytest.approx(1e-6 * base)
    order = np.random.default_rng(5).permutation(12)
    shuffled = moderate(s2[order], d, [group[i] for i in order])
    assert shuffled[0] == pytest.approx(base[order]) and shuffled[1] == pytest.approx(degrees[order])


def test_a_larger_variance_stays_larger_after_moderation():
    s2 = np.sort(np.exp(np.random.default_rng(6).normal(size=20)))
    assert (np.diff(moderate(s2, np.full(20, 2.0), [0] * 20)[0]) > 0).all()


def test_zero_spread_borrows_and_no_spread_anywhere_is_unknown():
    variances, _ = moderate([0.0, 1.0, 2.0, 0.5], [2, 2, 2, 2], [0] * 4)
    assert 0 < variances[0] < variances[3] < 2
    variances, _ = moderate([0.0, 0.0, 1.0, 2.0], [2, 2, 2, 2], [0, 0, 1, 1])  # a whole budget without spread
    assert variances[0] > 0.01
    assert np.isnan(moderate([0.0, 0.0], [2, 2], [0, 0])[0]).all()


def test_invalid_variances_raise_errors():
    with pytest.raises(ValueError, match="variance >= 0 and degrees"):
        moderate([1.0, math.nan], [2, 2], [0, 0])
    with pytest.raises(ValueError, match="2 groups"):
        moderate([1.0], [2], [0, 0])
