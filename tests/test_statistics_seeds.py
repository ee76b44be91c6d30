import math

import numpy as np
import pytest
from scipy import stats

from benchmark.statistics import CONFIDENCE, holm, letters, mean_interval, pareto, replicate_coverage, t_quantile


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


@pytest.mark.parametrize("n", [2, 4, 12])
def test_an_interval_holds_the_mean_of_a_replicate_as_often_as_claimed(n):
    generator = np.random.default_rng(n)
    one, other = generator.normal(size=(2, 40_000, n))
    half = t_quantile((1 + CONFIDENCE) / 2, n - 1) * one.std(1, ddof=1) / np.sqrt(n)
    held = (np.abs(one.mean(1) - other.mean(1)) <= half).mean()
    assert float(replicate_coverage(CONFIDENCE, n - 1)) == pytest.approx(held, abs=0.007)
