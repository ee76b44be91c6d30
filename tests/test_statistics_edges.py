"""Zero spread, missing blocks, single blocks, models and budgets."""

import math

import numpy as np
import pytest
from planted_blocks import flops, random_blocks

from benchmark.statistics import (
    Blocks,
    block_letters,
    candidates,
    changes,
    column,
    gaps,
    last_steps,
    leader,
    line,
    over_budgets,
    slopes,
    winner,
)


def test_constant_blocks_are_not_told_apart():
    blocks = Blocks({("a", 1.0): [0.1] * 3, ("b", 1.0): [0.7] * 3})  # neither mean is exact in binary
    gap = gaps(column(blocks, 1.0))[0]
    assert math.isnan(gap.p) and math.isnan(gap.half) and not gap.apart
    assert block_letters(column(blocks, 1.0)) == {"a": "a", "b": "a"} and leader(column(blocks, 1.0)) is None
    decision = candidates(column(blocks, 1.0))
    assert [c.possible for c in decision] == [True, True] and winner(decision) is None
    rows = Blocks(blocks.values, 1e-6 * np.eye(2))  # noise of rows says nothing of the noise of searches
    assert not gaps(column(rows, 1.0))[0].apart


def test_unequal_numbers_of_blocks_have_their_own_degrees():
    estimate = column(Blocks({("a", 1.0): [1.0, 2.0], ("b", 1.0): [2.0, 2.1, 1.9]}), 1.0)
    assert estimate.degrees[0] < estimate.degrees[1]


def test_one_block_has_a_mean_but_no_interval_letter_or_verdict():
    blocks = Blocks({(m, b): [v] for m, v in zip("ab", (1.0, 2.0), strict=True) for b in (0.0, 1.0)})
    estimate = column(blocks, 0.0)
    assert estimate.values.tolist() == [1.0, 2.0] and np.isnan(estimate.half).all()
    assert gaps(estimate) == [] and block_letters(estimate) == {} and candidates(estimate) == []
    assert (
        leader(estimate) is None
        and changes(last_steps(blocks, flops(blocks))) == []
        and np.isnan(over_budgets(blocks).half).all()
    )


def test_a_model_with_one_block_does_not_change_the_comparison_of_the_others():
    values = random_blocks(13, models=3, budgets=2)
    with_single = {**values, ("i", 0.0): [0.2]}
    base, other = gaps(column(Blocks(values), 0.0)), gaps(column(Blocks(with_single), 0.0))
    assert base == other
    rows = np.zeros((7, 7))
    rows[6, 6] = math.nan  # no pair of blocks to estimate it from
    assert gaps(column(Blocks(with_single, rows), 0.0)) == base


def test_missing_blocks_are_counted_and_above_a_third_give_no_letter():
    nan = math.nan
    values = {("a", 0.0): [1, 2, 3, 4], ("b", 0.0): [1, 2, 4, nan], ("c", 0.0): [1, 3, nan, nan], ("d", 0.0): [nan] * 4}
    blocks = Blocks(values)
    assert blocks.missing.tolist() == [0, 0.25, 0.5, 1] and blocks.finished.tolist() == [4, 3, 2, 0]
    estimate = column(blocks, 0.0)
    assert estimate.models == ("a", "b", "c") and np.isfinite(estimate.half).all()
    assert estimate.values.tolist() == pytest.approx([2.5, 7 / 3, 2.0])
    assert set(block_letters(estimate)) == {"a", "b"}
    third = column(Blocks({("a", 0.0): [1, 2, 3], ("b", 0.0): [1, 2, nan]}), 0.0)
    assert set(block_letters(third)) == {"a", "b"}, "a third is not above a third"


def test_one_model_has_no_letters_and_one_budget_no_trend():
    blocks = Blocks({("a", 2.0): [1.0, 2.0, 3.0]})
    assert block_letters(column(blocks, 2.0)) == {} and winner(candidates(column(blocks, 2.0))) is None
    assert slopes(blocks, flops(blocks)).models == () and last_steps(blocks, flops(blocks)).models == ()
    assert changes(slopes(blocks, flops(blocks))) == []
    assert over_budgets(blocks).half == pytest.approx(column(blocks, 2.0).half)


def test_no_studies_give_empty_answers():
    empty = over_budgets(Blocks({}))
    assert empty.models == () and gaps(empty) == [] and changes(empty) == [] and candidates(empty) == []


def test_a_model_without_one_of_the_budgets_is_left_out_of_contrasts_over_them():
    values = random_blocks(14, models=3, budgets=3)
    del values["b", 2.0]
    blocks = Blocks(values)
    compute = flops(blocks)
    assert over_budgets(blocks).models == slopes(blocks, compute).models == ("a", "c")
    assert last_steps(blocks, compute).models == line(blocks, compute, 1.0).models == ("a", "c")
    assert column(blocks, 0.0).models == ("a", "b", "c")
