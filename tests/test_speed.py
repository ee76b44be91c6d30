"""The measurements run: what they time is what the suite does. How fast it is, no test asserts."""

import pytest

from benchmark.speed import trial
from benchmark.speed.parts import clicks, default_config


@pytest.mark.parametrize("work", [trial.bare, trial.whole])
def test_a_measured_trial_trains_on_the_batches_it_is_given(work, capsys: pytest.CaptureFixture[str]) -> None:
    with clicks(64, 32, table_rows=260) as (batches, cardinalities):
        work("mlp", default_config("mlp", 0.03), trial.Given(batches, cardinalities))
