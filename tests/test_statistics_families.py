"""Families of comparisons between models against scipy, hand calculations and planted truths."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from planted_blocks import given, random_blocks, welch
from scipy import stats

from benchmark.statistics import (
    Blocks,
    beyond_sets,
    block_letters,
    candidates,
    column,
    gaps,
    leader,
    over_sets,
    rank_intervals,
    ranking,
    winner,
)


def test_without_moderation_the_test_of_a_pair_is_scipys_welch_test():
    generator = np.random.default_rng(11)
    a, b = generator.normal(0, 1, 4).tolist(), generator.normal(1, 3, 6).tolist()
    gap, expected = gaps(welch([a, b]))[0], stats.ttest_ind(a, b, equal_var=False)
    low, high = expected.confidence_interval(0.95)
    assert (gap.p, gap.degrees) == pytest.approx((expected.pvalue, expected.df))
    assert (gap.value - gap.half, gap.value + gap.half) == pytest.approx((low, high))


def test_with_a_common_variance_the_test_is_scipys_pooled_t_test_and_at_infinite_degrees_a_z_test():
    a, b = [1.0, 2.0, 4.0], [2.0, 5.0, 6.0]
    pooled = (np.var(a, ddof=1) + np.var(b, ddof=1)) / 2
    # two means with one variance on 2 degrees each: Satterthwaite gives the pooled 4
    gap = gaps(given([np.mean(a), np.mean(b)], pooled / 3, 2.0))[0]
    assert gap.p == pytest.approx(stats.ttest_ind(a, b).pvalue) and gap.degrees == pytest.approx(4)
    z = (np.mean(a) - np.mean(b)) / math.sqrt(2 * pooled / 3)
    normal = gaps(given([np.mean(a), np.mean(b)], pooled / 3, math.inf))[0]
    assert normal.p == pytest.approx(2 * stats.norm.sf(abs(z)))


def test_a_family_is_corrected_by_holm_over_all_pairs_or_the_pairs_with_a_reference():
    samples = [[0.0, 0.1, 0.2], [0.4, 0.5, 0.7], [2.0, 2.1, 1.8]]
    raw = {
        (i, j): stats.ttest_ind(samples[i], samples[j], equal_var=False).pvalue
        for i, j in itertools.combinations(range(3), 2)
    }
    least, middle, largest = sorted(raw.values())
    adjusted = sorted(gap.p for gap in gaps(welch(samples)))
    assert adjusted == pytest.approx([3 * least, max(3 * least, 2 * middle), max(3 * least, 2 * middle, largest)])
    against = gaps(welch(samples), reference="b")
    assert [(gap.a, gap.b) for gap in against] == [("a", "b"), ("c", "b")]
    assert min(gap.p for gap in against) == pytest.approx(2 * min(raw[0, 1], raw[1, 2]))


def test_letters_leader_and_ranks_of_models_far_apart():
    estimate = given([3.0, 0.0, 3.01, 9.0], 1e-4, 9.0)
    assert block_letters(estimate) == {"b": "a", "a": "b", "c": "b", "d": "c"}
    assert ranking(estimate) == ["b", "a", "c", "d"] and leader(estimate) == "b"
    assert rank_intervals(estimate) == {"a": (2, 3), "b": (1, 1), "c": (2, 3), "d": (4, 4)}
    assert leader(given([0.0, 0.01, 3.0], 1e-4, 9.0)) is None


def test_the_set_that_may_hold_the_best_follows_the_one_sided_bound():
    estimate = given([0.0, 1.0, 5.0], [0.1, 0.2, 0.3], [6.0, 8.0, 10.0])
    decision = {c.model: c for c in candidates(estimate)}
    v, nu = 0.1 + 0.2, 0.3**2 / (0.1**2 / 6 + 0.2**2 / 8)
    bound = stats.t.ppf(1 - 0.05 / 2, nu) * math.sqrt(v)
    assert decision["b"].behind == pytest.approx(1 + bound) and decision["b"].possible == (bound >= 1)
    assert not decision["c"].possible and decision["a"].possible
    assert decision["a"].behind == pytest.approx(max(0, bound - 1))
    assert winner(candidates(estimate)) is None
    assert winner(candidates(replace(estimate, values=np.array([0.0, 4.0, 5.0])))) == "a"


def test_a_larger_lead_never_weakens_a_claim():
    base = column(Blocks(random_blocks(12)), 0.0)
    last_p, last_behind = 1.0, math.inf
    for lead in np.linspace(0, 10, 21):
        estimate = replace(base, values=np.arange(9.0) * 0.001 - lead * (np.arange(9) == 0))
        p = max(gap.p for gap in gaps(estimate) if gap.a == "a")
        behind = next(c.behind for c in candidates(estimate) if c.model == "a")
        assert p <= last_p + 1e-12 and behind <= last_behind
        last_p, last_behind = p, behind
    assert last_p < 0.01 and last_behind == 0


def test_the_mean_over_data_sets_adds_variances_and_keeps_shared_models():
    first, second = given([0.0, 1.0, 2.0], [1.0, 2.0, 3.0], 4.0), given([1.0, 5.0], [2.0, 1.0], 6.0, np.eye(2))
    mean = over_sets([first, second])
    assert mean.models == ("a", "b") and mean.values.tolist() == [0.5, 3.0]
    assert mean.variances == pytest.approx([3 / 4, 3 / 4])
    assert mean.degrees == pytest.approx([9 / (1 / 4 + 4 / 6), 9 / (4 / 4 + 1 / 6)])
    assert mean.rows == pytest.approx(np.eye(2) / 4)
    with pytest.raises(ValueError, match="at least one"):
        over_sets([])


def test_the_interval_for_other_data_sets_is_a_t_interval_over_the_sets():
    sets = [given([0.0, x], 1.0, 4.0) for x in (0.2, 0.5, 0.1, 0.4)]
    mean, half = beyond_sets(sets, "b", "a")
    low, high = stats.ttest_1samp([0.2, 0.5, 0.1, 0.4], 0).confidence_interval(0.95)
    assert (mean - half, mean + half) == pytest.approx((low, high))
    assert math.isnan(beyond_sets(sets[:1], "b", "a")[1])


def test_a_set_with_unknown_noise_leaves_nothing_told_apart():
    known, unknown = given([0.0, 9.0], 0.01, 4.0), given([0.0, 9.0], math.nan, 4.0)
    assert block_letters(over_sets([known, unknown])) == {"a": "a", "b": "a"}
