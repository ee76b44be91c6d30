"""The sampler learns from the trials before it from half of a block on, and not before."""

import optuna
import pytest

from benchmark.tuning.sampler import SlotSampler, startup_trials


def drawn(trials: int, startup: int, best: float, key: int = 0) -> list[float]:
    """Return the draws of a search whose loss is the distance from `best`, after `startup` random ones."""
    sampler = SlotSampler("tpe", (key,), {0: {"x": 0.5}}, startup)
    study, values = optuna.create_study(sampler=sampler), []
    for slot in range(trials):
        sampler.next_slot(slot)
        trial = study.ask()
        values.append(trial.suggest_float("x", 0, 1))
        study.tell(trial, abs(values[-1] - best))
    return values


@pytest.mark.parametrize(("trials", "startup"), [(4, 2), (10, 5), (16, 8), (40, 8)])
def test_at_most_half_of_a_block_is_drawn_without_looking_at_earlier_trials(trials: int, startup: int) -> None:
    assert startup_trials(trials) == startup
    pairs = [(drawn(startup + 1, startup, 0.0, key), drawn(startup + 1, startup, 1.0, key)) for key in range(5)]
    assert all(low[:startup] == high[:startup] for low, high in pairs)
    assert any(low[startup] != high[startup] for low, high in pairs)


def test_a_single_trial_is_the_fixed_one() -> None:
    assert drawn(1, startup_trials(1), 0.0) == [0.5]
