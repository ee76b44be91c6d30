"""The detectable difference of a plan."""

import math

import pytest
from scipy import stats

from benchmark.statistics import detectable


@pytest.mark.parametrize(
    ("averaged", "expected"), [(False, {3: 4.0, 4: 3.3, 5: 2.9, 8: 2.3}), (True, {3: 1.9, 4: 1.6, 5: 1.4, 8: 1.1})]
)
def test_the_detectable_difference_of_nine_models_at_four_budgets_is_the_designs(averaged, expected):
    for blocks, difference in expected.items():
        value = detectable(blocks=blocks, models=9, budgets=4, search=1, seed=0, seeds=1, averaged=averaged)
        assert value == pytest.approx(difference, abs=0.05)


def test_the_detectable_difference_follows_the_formula_written_out():
    u = 2 * (0.3**2 + 0.2**2 / 3) / 4 + 0.01
    n = 2 * 3 * (1 + 15 / 8) * (u / (u - 0.01)) ** 2
    expected = 1.08 * (stats.t.ppf(1 - 0.05 / 6, n) + stats.t.ppf(0.8, n)) * math.sqrt(u)
    value = detectable(blocks=4, models=4, budgets=4, search=0.3, seed=0.2, seeds=3, rows=0.01, comparisons=3)
    assert value == pytest.approx(expected)


def test_more_blocks_seeds_power_and_rows_move_the_detectable_difference_the_right_way():
    plan = {"blocks": 4, "models": 9, "budgets": 4, "search": 0.002, "seed": 0.002, "seeds": 3}
    base = detectable(**plan)
    assert detectable(**plan | {"blocks": 5}) < base > detectable(**plan | {"seeds": 9})
    assert detectable(**plan, comparisons=8) < base < detectable(**plan, rows=1e-6)
    assert detectable(**plan, power=0.5) < base > detectable(**plan, averaged=True)
    assert detectable(**plan | {"search": 0.004, "seed": 0.004}) == pytest.approx(2 * base)


def test_one_block_detects_nothing_and_invalid_plans_raise_errors():
    plan = {"blocks": 1, "models": 2, "budgets": 1, "search": 1.0, "seed": 1.0, "seeds": 1}
    assert math.isnan(detectable(**plan))
    rows_only = detectable(**plan | {"blocks": 3, "search": 0.0, "seed": 0.0}, rows=1.0)
    assert rows_only == pytest.approx(1.08 * (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)))
    with pytest.raises(ValueError, match="0 comparisons; each must be at least 1"):
        detectable(**plan | {"models": 1})
    with pytest.raises(ValueError, match="negative noise: search -1"):
        detectable(**plan | {"search": -1})
