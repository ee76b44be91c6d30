"""Slopes, last steps and compute to match with the block as the unit."""

import math

import numpy as np
import pytest
from planted_blocks import NAMES, curve, flops, random_blocks
from scipy import stats

from benchmark.statistics import Blocks, changes, crossing, last_steps, line, over_budgets, slopes


def test_the_slope_is_the_least_squares_slope_over_log4_compute():
    values = random_blocks(15, models=2)
    compute = {study: 0.02 * 4.1 ** study[1] for study in values}
    trend = slopes(Blocks(values), compute)
    for i, model in enumerate("ab"):
        x = [math.log(compute[model, float(b)], 4) for b in range(4)]
        means = [np.mean(values[model, float(b)]) for b in range(4)]
        assert trend.values[i] == pytest.approx(stats.linregress(x, means).slope)


def test_the_fitted_line_runs_through_the_least_squares_line_and_its_interval_is_narrowest_in_the_middle():
    values = random_blocks(15, models=2)
    blocks = Blocks(values)
    at = {place: line(blocks, flops(blocks), 4.0**place) for place in (0.0, 1.5, 3.0)}
    for i, model in enumerate("ab"):
        fit = stats.linregress(range(4), [np.mean(values[model, float(b)]) for b in range(4)])
        for place, heights in at.items():
            assert heights.values[i] == pytest.approx(fit.intercept + fit.slope * place)
    assert (at[1.5].half < at[0.0].half).all() and (at[1.5].half < at[3.0].half).all()
    assert at[1.5].half == pytest.approx(
        over_budgets(blocks).half
    )  # the middle of equally spaced budgets is their mean


@pytest.mark.parametrize("same", [1.0, 0.0])  # logistic regression has no matrix product at all
def test_a_model_with_the_same_compute_at_all_budgets_has_no_trend_and_takes_none_from_the_others(same):
    blocks = Blocks(random_blocks(15, models=3))
    compute = flops(blocks) | {("b", float(b)): same for b in range(4)}
    assert slopes(blocks, compute).models == last_steps(blocks, compute).models == ("a", "c")
    assert line(blocks, compute, 4.0).models == ("a", "c")
    with pytest.raises(ValueError, match="its curve needs two of different FLOPs"):
        crossing(blocks, compute, "b", 0.0)


def test_gains_at_the_end_are_the_last_step_corrected_over_the_models():
    values = random_blocks(16, models=3, blocks=5)
    values["a", 3.0] = [v - 9 for v in values["a", 3.0]]
    values["b", 3.0] = [v + 9 for v in values["b", 3.0]]
    steps = last_steps(Blocks(values), flops(Blocks(values)))
    by_model = {change.model: change for change in changes(steps)}
    assert steps.values[2] == pytest.approx(np.mean(values["c", 3.0]) - np.mean(values["c", 2.0]))
    assert {m: c.verdict for m, c in by_model.items()} == {"a": "gains", "b": "worsens", "c": "not resolved"}
    raw = 2 * stats.t.sf(np.abs(steps.values) / np.sqrt(steps.variances), steps.degrees)
    assert max(c.p for c in by_model.values()) == pytest.approx(max(raw))
    assert min(c.p for c in by_model.values()) == pytest.approx(3 * min(raw))


@pytest.mark.parametrize("spread", [0.0, 1e-9])
def test_a_noiseless_curve_meets_targets_where_interpolation_says(spread):
    blocks = curve([3, 2, 1.4, 1], [1.7, 0.5, 4], spread)
    steps = {b: crossing(blocks, flops(blocks), "a", ("b", float(b))) for b in range(3)}
    assert math.log(steps[0].point, 4) == pytest.approx(1.5)
    assert steps[1].point == math.inf and not steps[1].reached
    assert steps[2].point == 1.0 and steps[2].at_once
    if spread:
        assert (steps[0].low, steps[0].high) == pytest.approx((8, 8), rel=1e-6)
        assert not steps[0].low_open and not steps[0].high_open
        assert steps[1].low == math.inf and steps[1].high_open
        assert steps[2].low == steps[2].high == 1.0 and steps[2].low_open and not steps[2].high_open
    else:
        assert math.isnan(steps[0].low) and math.isnan(steps[0].high), (
            "no spread anywhere: nothing is known of the noise"
        )


def test_the_ends_of_the_interval_are_where_the_curve_is_just_told_apart_from_the_target():
    blocks = curve([3, 2, 1.4, 1], [1.7], spread=0.1)
    match = crossing(blocks, flops(blocks), "a", ("b", 0.0))
    assert 1 < match.low < match.point < match.high < 64
    variances, degrees = blocks.moderated
    for end, side in ((match.low, 1), (match.high, -1)):
        x = math.log(end, 4)
        i = int(x)
        w = x - i
        level = np.interp(x, range(4), [3, 2, 1.4, 1])
        parts = np.array([(1 - w) ** 2, w**2, 1.0]) * variances[[i, i + 1, 4]] / 3
        nu = parts.sum() ** 2 / (parts**2 / degrees[[i, i + 1, 4]]).sum()
        assert level - 1.7 == pytest.approx(side * stats.t.ppf(0.975, nu) * math.sqrt(parts.sum()), rel=1e-6)


def test_the_last_budgets_own_target_is_met_there_with_an_open_end():
    blocks = curve([3, 2, 1.4, 1], [1], spread=0.2)
    match = crossing(blocks, flops(blocks), "a", ("b", 0.0))
    assert match.point == 64 and match.high == math.inf and match.high_open and match.low < 4**2.5


def test_noise_of_rows_widens_the_interval_and_shared_rows_cancel():
    values = curve([3, 2, 1.4, 1], [1.7], spread=0.1).values
    own, shared = np.eye(5) * 0.01, np.full((5, 5), 0.01)
    plain, noisy, same = (
        crossing(Blocks(values, r), flops(Blocks(values)), "a", ("b", 0.0)) for r in (None, own, shared)
    )
    assert noisy.low < plain.low and noisy.high > plain.high
    assert (same.low, same.high) == pytest.approx((plain.low, plain.high), rel=1e-6)


def test_the_interval_narrows_with_less_noise_and_a_plain_number_adds_none():
    wide, narrow = (
        crossing(curve([3, 2, 1.4, 1], [1.7], s), flops(curve([3, 2, 1.4, 1], [1.7])), "a", ("b", 0.0))
        for s in (0.1, 0.05)
    )
    assert wide.low < narrow.low < narrow.high < wide.high
    blocks = curve([3, 2, 1.4, 1], [1.7], 0.1)
    fixed = crossing(blocks, flops(blocks), "a", 1.7)
    assert fixed.point == pytest.approx(8) and wide.low < fixed.low < fixed.high < wide.high


def test_a_curve_of_one_study_and_a_target_without_blocks_raise_errors():
    blocks = curve([3], [1.7])
    with pytest.raises(ValueError, match="a has 1 studies"):
        crossing(blocks, flops(blocks), "a", 1.0)
    with pytest.raises(ValueError, match="no finished block"):
        crossing(curve([3, 2]), flops(curve([3, 2])), "a", ("b", 0.0))


def test_the_interval_of_compute_to_match_covers_the_true_crossing():
    generator = np.random.default_rng(17)
    levels, truth, hits = np.array([3, 2, 1.4, 1]), 1.4, 0
    target = float(np.interp(truth, range(4), levels))
    for _ in range(200):
        noise = 0.15 * generator.normal(size=(9, 4, 4))
        noise[0] += levels[:, None]
        noise[1, 0] += target
        blocks = Blocks({(NAMES[k], float(b)): noise[k, b].tolist() for k in range(9) for b in range(4)})
        match = crossing(blocks, flops(blocks), "a", ("b", 0.0))
        hits += match.low <= 4**truth <= match.high
    assert 0.92 <= hits / 200 <= 0.99
