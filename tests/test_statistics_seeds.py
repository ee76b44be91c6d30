import math

import numpy as np
import pytest
from scipy import stats

from benchmark.statistics import difference, holm, letters, mean_interval, minimum_detectable, pareto


def covered(n_seeds: int, draws: int = 4000) -> float:
    """Return the share of simulated samples whose 95 % interval covers the true mean 0.7."""
    generator = np.random.default_rng(n_seeds)
    hits = 0
    for values in generator.normal(0.7, 0.003, (draws, n_seeds)):
        mean, half = mean_interval(values.tolist())
        hits += abs(mean - 0.7) <= half
    return hits / draws


@pytest.mark.parametrize("n_seeds", [2, 3, 5, 15])
def test_the_interval_over_seeds_covers_the_known_mean_95_percent_of_the_time(n_seeds):
    assert 0.93 <= covered(n_seeds) <= 0.97


def test_the_interval_equals_scipys():
    values = [0.981, 0.984, 0.9835, 0.979, 0.9825]
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    mean, half = mean_interval(values)
    assert (mean - half, mean + half) == pytest.approx((low, high), abs=1e-12)


def test_one_seed_has_no_interval():
    mean, half = mean_interval([0.7])
    assert mean == 0.7 and math.isnan(half)


def test_the_paired_difference_equals_scipys_over_the_shared_seeds():
    generator = np.random.default_rng(0)
    a = dict(enumerate(generator.normal(0.80, 0.01, 8)))
    b = dict(enumerate(generator.normal(0.79, 0.01, 7)))  # seed 7 is missing
    expected = stats.ttest_rel([a[s] for s in b], [b[s] for s in b])
    result = difference(a, b)
    low, high = expected.confidence_interval()
    assert result.p == pytest.approx(expected.pvalue)
    assert (result.mean - result.half, result.mean + result.half) == pytest.approx((low, high))
    assert result.seeds == 7


def test_paired_differences_cover_the_known_difference_when_seeds_share_their_noise():
    generator = np.random.default_rng(1)
    hits = 0
    for _ in range(4000):
        shared = generator.normal(0, 0.01, 5)
        a, b = (shared + generator.normal(mean, 0.002, 5) for mean in (0.75, 0.748))
        result = difference(dict(enumerate(a)), dict(enumerate(b)))
        hits += abs(result.mean - 0.002) <= result.half
    assert 0.93 <= hits / 4000 <= 0.97


def test_without_shared_seeds_the_difference_is_nan_and_one_seed_gives_no_p():
    assert difference({1: 0.5}, {2: 0.4}).seeds == 0
    assert math.isnan(difference({1: 0.5}, {2: 0.4}).mean)
    assert math.isnan(difference({1: 0.5}, {1: 0.4}).p)


def test_equal_runs_have_p_1():
    assert difference({1: 0.5, 2: 0.6}, {1: 0.5, 2: 0.6}).p == 1.0


def test_holm_steps_down_as_in_the_textbook():
    # 0.005 x 4, 0.01 x 3, 0.03 x 2; 0.04 x 1 is raised to the previous value
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_counts_nan_as_a_test():
    adjusted = holm([0.01, math.nan])
    assert adjusted[0] == pytest.approx(0.02) and math.isnan(adjusted[1])


def test_holm_keeps_the_chance_of_any_false_claim_under_5_percent():
    generator = np.random.default_rng(2)
    p_values = stats.ttest_1samp(generator.normal(0, 1, (3000, 6, 5)), 0, axis=2).pvalue
    false = sum(min(holm(row.tolist())) < 0.05 for row in p_values)
    assert false / 3000 < 0.06


def test_the_minimum_detectable_difference_is_found_with_80_percent_power():
    generator = np.random.default_rng(3)
    truth = minimum_detectable(0.002, math.inf)
    z = generator.normal(truth, 0.002, 20000) / 0.002
    assert (2 * stats.norm.sf(np.abs(z)) < 0.05).mean() == pytest.approx(0.8, abs=0.01)


def test_the_minimum_detectable_difference_is_2_8_standard_errors_of_a_large_sample():
    assert minimum_detectable(1.0) == pytest.approx(2.8016, abs=1e-4)


def pair(a: str, b: str) -> frozenset[str]:
    return frozenset((a, b))


def test_letters_overlap_where_the_middle_cannot_be_told_apart_from_either_end():
    assert letters(["x", "y", "z"], {pair("x", "z")}) == {"x": "a", "y": "ab", "z": "b"}


def test_letters_are_all_a_when_nothing_is_told_apart_and_all_different_when_everything_is():
    names = ["p", "q", "r"]
    assert set(letters(names, set()).values()) == {"a"}
    everything = {pair("p", "q"), pair("p", "r"), pair("q", "r")}
    assert letters(names, everything) == {"p": "a", "q": "b", "r": "c"}


def test_two_models_share_a_letter_exactly_when_they_are_not_told_apart():
    generator = np.random.default_rng(4)
    names = [f"m{i}" for i in range(7)]
    pairs = [pair(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    for _ in range(50):
        apart = {p for p in pairs if generator.random() < 0.4}
        given = letters(names, apart)
        for p in pairs:
            a, b = sorted(p)
            assert (not set(given[a]) & set(given[b])) == (p in apart)


def test_the_pareto_front_keeps_undominated_and_equal_points():
    front = pareto([1, 2, 3, 3, 1], [0.5, 0.4, 0.45, 0.39, 0.5])
    assert front.tolist() == [True, True, False, True, True]
