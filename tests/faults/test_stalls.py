"""A training that never ends is recorded as failed, and the next one starts."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from commands import study

from benchmark.execution.run import create
from benchmark.execution.workers import in_processes
from benchmark.output import Screen
from benchmark.records.record import Record
from benchmark.study import OnEvent, Study
from benchmark.training.watch import FLUSH_SECONDS, Watch
from benchmark.tuning import tuner
from models.mlp import MLP

FOREVER = 10_000.0
SEARCH = {"trials": 2, "blocks": 1, "dropout": [0.0, 0.2]}


def stall_in_trial_0(found: Study, on_event: OnEvent) -> None:
    """Run a study whose first training sleeps in its third step."""
    forward, steps = MLP.forward, []

    def sleeps(self: MLP, *batch: object) -> object:
        steps.append(None)
        if len(steps) == 3 and not found.records():
            time.sleep(FOREVER)
        return forward(self, *batch)  # type: ignore[arg-type]

    MLP.forward = sleeps  # type: ignore[method-assign,assignment]
    tuner.run(found, on_event)


def test_a_training_that_stands_still_is_a_failed_record_and_the_study_goes_on(tmp_path: Path) -> None:
    stalled = replace(study(tmp_path, search=SEARCH, final={"seeds": [1]}), stall_seconds=6.0)
    create([stalled], Screen())
    events = []
    started = time.monotonic()
    in_processes([stalled], stall_in_trial_0, ["cpu"], events.append)
    assert time.monotonic() - started < 400
    first, *rest = stalled.records()
    assert (first.kind, first.trial, first.status) == ("trial", 0, "failed")
    assert first.error == "no further step for 6 s; given up" and first.config
    assert [(r.kind, r.status) for r in rest] == [("trial", "complete")] * 2 + [("final", "complete")]
    assert any(isinstance(event.finished, Record) and event.finished.status == "failed" for event in events)


def test_a_watch_waits_for_the_longest_step_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr("benchmark.training.watch.os._exit", ended.append)
    with Watch(0.4, lambda: ended.append(0)) as watch:
        for _ in range(12):
            time.sleep(0.1)
            watch.alive()
    time.sleep(0.6)
    assert not ended  # steps shorter than the limit, then the end
    with Watch(0.2, lambda: ended.append(0)):
        time.sleep(0.6)
    time.sleep(FLUSH_SECONDS)
    assert ended[:2] == [0, 75]
