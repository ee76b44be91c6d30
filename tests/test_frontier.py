"""The compute-optimal frontier finds planted optima without taking the least of noisy values for the best."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from benchmark.findings.frontier import Frontier, frontier
from benchmark.protocol.totals import Split
from benchmark.records.record import Record

BAYES, TEST_ROWS = 0.45, 120_000
TOTALS, BUDGETS = (3.0, 12.0, 48.0), (0.005, 0.02, 0.08, 0.32)
SPLITS = [Split("synthetic", total, budget, round(1e3 * total / budget)) for total in TOTALS for budget in BUDGETS]
FIXED = {
    "protocol": "made",
    "protocol_id": "made",
    "data_fingerprint": "f00d",
    "trial": 0,
    "kind": "final",
    "status": "complete",
}

Law = Callable[[Split], float]  # planted regret


def valley(split: Split) -> float:
    """Return a regret with its least at a budget of 0.02 x sqrt(total / 12): 0.02 exactly at 12 GFLOP."""
    away = math.log(split.budget / 0.02, 4) - 0.5 * math.log(split.total / 12, 4)
    return 0.02 * (split.total / 12) ** -0.4 * (1 + 0.3 * away**2)


def flat(split: Split) -> float:
    """Return a regret that is the same for all splits of a total."""
    return 0.02 * (split.total / 12) ** -0.4


def records(
    law: Law, noise: float = 0.0, blocks: int = 3, seed: int = 0, model: str = "mlp", shared: float = 1.0
) -> list[Record]:
    """Return final runs whose ln regret has noise by block; `shared` of it is in the validation part, too."""
    draw = np.random.default_rng(seed)
    made = []
    for split in SPLITS:
        for block in range(1, blocks + 1):
            luck, rest = draw.normal(0, noise, 2)
            test = law(split) * math.exp(luck)
            valid = law(split) * math.exp(shared * luck + (1 - shared) * rest)
            made.append(
                Record(
                    **FIXED,
                    dataset=split.dataset,
                    model=model,
                    budget=split.budget,
                    block=block,
                    seed=block,
                    valid={"logloss": BAYES + valid, "auc": 0.7},
                    test={"logloss": BAYES + test, "auc": 0.7},
                )
            )
    return made


def found(made: list[Record], blocks: int = 3) -> Frontier:
    return frontier(made, SPLITS, n_blocks=blocks, bayes=BAYES, test_rows=TEST_ROWS)


def test_a_noiseless_frontier_is_the_least_regret_of_each_total_and_its_split() -> None:
    optima = found(records(valley)).optima
    assert [optimum.total for optimum in optima] == list(TOTALS)
    for optimum in optima:
        own = [split for split in SPLITS if split.total == optimum.total]
        assert optimum.best == min(own, key=valley)
        assert optimum.regret == pytest.approx(valley(optimum.best))
        assert (optimum.agreeing, optimum.blocks) == (3, 3)
        assert optimum.at_end == (optimum.best.budget in (BUDGETS[0], BUDGETS[-1]))
    assert optima[1].best.budget == 0.02 and not optima[1].at_end


def test_every_split_is_reported_with_its_regret_and_the_blocks_that_chose_it() -> None:
    spent = found(records(valley)).spent
    assert [s.split for s in spent] == SPLITS
    assert [s.regret for s in spent] == pytest.approx([valley(split) for split in SPLITS])
    assert sum(s.chosen for s in spent) == 3 * len(TOTALS)


def test_the_frontier_of_equal_splits_is_unbiased_where_the_least_mean_is_too_low() -> None:
    noise, chosen, least = 0.1, [], []
    for seed in range(300):
        result = found(records(flat, noise, seed=seed))
        chosen += [math.log(o.regret / flat(o.best)) for o in result.optima]
        for total in TOTALS:
            own = [s.regret for s in result.spent if s.split.total == total and s.regret]
            least.append(math.log(min(own) / flat(Split("synthetic", total, 1.0, 1))))
    error = noise / math.sqrt(3) / math.sqrt(len(chosen))
    assert abs(np.mean(chosen)) < 4 * error
    assert np.mean(least) < -10 * error


@pytest.mark.parametrize("law", [flat, valley])
def test_intervals_cover_the_regret_of_the_best_split_as_often_as_they_claim(law: Law) -> None:
    inside, rows = [], 2 / TEST_ROWS
    for seed in range(300):
        draw = np.random.default_rng([seed, 1])
        # the test rows move all blocks of a total alike
        moved = {total: draw.normal(0, math.sqrt(rows / 0.02)) for total in TOTALS}
        made = records(
            lambda split, moved=moved: law(split) * math.exp(moved[split.total]), 0.05, seed=seed, shared=0.5
        )
        for optimum in found(made).optima:
            truth = min(law(split) for split in SPLITS if split.total == optimum.total)
            assert optimum.half is not None
            inside.append(abs(math.log(optimum.regret / truth)) < optimum.half / optimum.regret)
    assert 0.90 < np.mean(inside) < 0.99


def test_a_frontier_passes_its_check_if_it_falls_and_fails_if_it_surely_rises() -> None:
    def rising(split: Split) -> float:
        return valley(split) * (3 if split.total == 48 else 1)

    good, bad = (found(records(law, 0.02)).checks[0] for law in (valley, rising))
    assert good.passed and good.gain is not None
    assert good.gain.value == pytest.approx(-0.4 * math.log(4), abs=0.1)
    assert not bad.passed and bad.rises == ((12.0, 48.0),)


def test_a_run_under_bayes_fails_the_check_and_does_not_enter_the_frontier() -> None:
    made = records(valley)
    under = made[5].model_copy(update={"test": {"logloss": BAYES - 1e-4, "auc": 0.7}})
    check = found([*made[:5], under, *made[6:]]).checks[0]
    assert (check.passing, check.passed) == (1, False)
    assert check.lowest == pytest.approx(-1e-4)
    assert all(s.regret is None or s.regret > 0 for s in found([under]).spent)


def test_a_single_block_has_no_interval_and_chooses_for_itself() -> None:
    result = found(records(valley, 0.01, blocks=1), blocks=1)
    assert all(optimum.half is None and optimum.blocks == 1 for optimum in result.optima)
    assert result.checks[0].rises == ()


def test_missing_blocks_and_failed_runs_are_left_out_and_models_are_apart() -> None:
    made = records(valley, 0.01)
    failed = made[0].model_copy(update={"status": "failed", "error": "Diverged", "valid": None, "test": None})
    result = found([failed, *made[1:], *records(flat, 0.01, model="wukong")])
    assert [check.model for check in result.checks] == ["mlp", "wukong"]
    assert {optimum.model for optimum in result.optima if optimum.total == 3} == {"mlp", "wukong"}
    lone = [record for record in made if record.budget == 0.02 and record.block == 1]
    optima = found(lone).optima  # the only block chooses for itself
    assert [(o.total, o.blocks, o.agreeing, o.half) for o in optima] == [(total, 1, 1, None) for total in TOTALS]


def test_an_unfinished_block_has_no_say_in_the_choice_of_the_others() -> None:
    made = records(valley)
    started = [r for r in made if r.block == 1 or (r.block == 2 and r.budget == BUDGETS[-1])]
    optima = found(started).optima
    assert [o.best for o in optima] == [o.best for o in found(made).optima]
    assert [o.regret for o in optima] == pytest.approx([valley(o.best) for o in optima])
    assert [o.blocks for o in optima] == [1, 1, 1]
