"""Contrasts over studies with the block as the unit: intervals, test rows, edges."""

import math

import numpy as np
import pytest
from planted_blocks import NAMES, flops, given, random_blocks
from scipy import stats

from benchmark.statistics import Blocks, column, contrasts, gaps, moderate, over_budgets, row_covariance, slopes


def test_one_study_has_the_plain_t_interval():
    values = [0.3, 0.5, 0.1, 0.4]
    estimate = column(Blocks({("a", 1.0): values}), 1.0)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (estimate.values[0] - estimate.half[0], estimate.values[0] + estimate.half[0]) == pytest.approx((low, high))


def test_a_contrast_over_budgets_moderates_its_own_variance_over_the_models():
    values = random_blocks(7)
    mean = over_budgets(Blocks(values))
    s2 = np.array([[np.var(values[m, float(b)], ddof=1) for b in range(4)] for m in NAMES])
    parts = s2 / 4 / 16
    nu = (parts.sum(1) ** 2 / (parts**2 / 3).sum(1)).mean()
    variances, degrees = moderate(parts.sum(1), np.full(9, nu), [0] * 9)
    assert mean.variances == pytest.approx(variances) and mean.degrees == pytest.approx(degrees)
    assert mean.values == pytest.approx([np.mean([values[m, float(b)] for b in range(4)]) for m in NAMES])


def test_results_shift_and_scale_with_the_values_and_ignore_the_order_of_models():
    values = random_blocks(8)
    base = gaps(column(Blocks(values), 1.0))
    moved = gaps(column(Blocks({s: [5 - 0.01 * v for v in vs] for s, vs in values.items()}), 1.0))
    assert [g.p for g in moved] == pytest.approx([g.p for g in base])
    assert [g.value for g in moved] == pytest.approx([-0.01 * g.value for g in base])
    assert [g.half for g in moved] == pytest.approx([0.01 * g.half for g in base])
    turned = gaps(column(Blocks(dict(reversed(values.items()))), 1.0))
    p = {frozenset((g.a, g.b)): g.p for g in turned}
    assert [p[frozenset((g.a, g.b))] for g in base] == pytest.approx([g.p for g in base])


def test_rows_shared_by_runs_are_estimated_from_different_blocks():
    # all runs .5, of one model .2, of one run .3: c = .7 within a model, .5 between models, .4 for their difference
    runs, searches = [("a", 1.0), ("a", 1.0), ("b", 1.0), ("b", 1.0)], [1, 2, 1, 2]
    covariance = 0.5 + 0.2 * np.kron(np.eye(2), np.ones((2, 2))) + 0.3 * np.eye(4)
    rows = row_covariance(covariance, runs, searches, [("a", 1.0), ("b", 1.0)])
    assert rows == pytest.approx(np.array([[0.7, 0.5], [0.5, 0.7]]))
    plain, noisy = (column(Blocks({("a", 1.0): [0, 1, 2], ("b", 1.0): [1, 2, 3]}, r), 1.0) for r in (None, rows))
    assert gaps(noisy)[0].error ** 2 - gaps(plain)[0].error ** 2 == pytest.approx(0.4)


def test_runs_of_one_block_do_not_enter_its_row_covariance():
    runs, searches = [("a", 1.0)] * 4, [1, 1, 2, 2]
    covariance = np.full((4, 4), 0.1)
    covariance[:2, :2] = covariance[2:, 2:] = 7.0
    assert row_covariance(covariance, runs, searches, [("a", 1.0)])[0, 0] == pytest.approx(0.1)
    assert math.isnan(row_covariance(covariance[:2, :2], runs[:2], searches[:2], [("a", 1.0)])[0, 0])


def test_rows_enter_a_contrast_over_budgets_with_all_covariances():
    values = random_blocks(9, models=2, budgets=3)
    root = np.random.default_rng(0).normal(size=(6, 6))
    rows = root @ root.T
    trend = slopes(Blocks(values, rows), flops(Blocks(values)))
    a = np.array([-0.5, 0, 0.5])
    whole = np.concatenate([a, -a])
    assert trend.rows[0, 0] == pytest.approx(a @ rows[:3, :3] @ a)
    own = trend.variances.sum()
    assert gaps(trend)[0].error ** 2 == pytest.approx(own + whole @ rows @ whole)
    plain = slopes(Blocks(values), flops(Blocks(values)))
    assert (trend.half > plain.half).all()


def test_rows_have_infinite_degrees_of_freedom():
    half = given([0.0], [1e-12], [2.0], [[1.0]]).half
    assert half[0] == pytest.approx(1.95996, abs=1e-5)


def test_intervals_with_rows_cover_the_truth_when_rows_are_as_noisy_as_blocks():
    generator = np.random.default_rng(10)
    row_sd, hits = 0.5, []
    for _ in range(400):
        noise = generator.normal(size=(9, 1, 4)) + row_sd * generator.normal(size=(9, 1, 1))
        values = {(NAMES[k], 0.0): noise[k, 0].tolist() for k in range(9)}
        estimate = column(Blocks(values, row_sd**2 * np.eye(9)), 0.0)
        hits.append(np.mean(np.abs(estimate.values) <= estimate.half))
    assert 0.93 <= np.mean(hits) <= 0.98


def test_wrong_shapes_and_infinite_values_raise_errors():
    with pytest.raises(ValueError, match=r"shape \(1, 1\); 2 studies need \(2, 2\)"):
        Blocks({("a", 1.0): [1, 2], ("b", 1.0): [1, 2]}, np.eye(1))
    with pytest.raises(ValueError, match="infinite value; use nan"):
        Blocks({("a", 1.0): [1, math.inf]})


def test_any_weights_over_studies_make_a_contrast():
    values = random_blocks(18, models=3, budgets=2)
    estimate = contrasts(Blocks(values), {("a", 0.0): 1.0, ("a", 1.0): -2.0, ("b", 0.0): 1.0, ("b", 1.0): 0.0})
    assert estimate.models == ("a", "b")
    assert estimate.values[0] == pytest.approx(np.mean(values["a", 0.0]) - 2 * np.mean(values["a", 1.0]))
