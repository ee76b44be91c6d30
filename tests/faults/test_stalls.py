"""A training that never ends is recorded as failed, and the next one starts."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import study
from torch import distributed

from benchmark.execution.run import create
from benchmark.execution.workers import in_processes
from benchmark.output import Screen
from benchmark.records.record import Record
from benchmark.study import OnEvent, Study
from benchmark.training import runner, task
from benchmark.training.watch import FLUSH_SECONDS, Watch
from benchmark.tuning import tuner
from models.mlp import MLP

FOREVER = 10_000.0
training_in_rank = task.training_in_rank
SEARCH = {"trials": 2, "blocks": 1, "dropout": [0.0, 0.2]}


@contextmanager
def stall_first(trained: Callable[[], bool], pause: float = 0.0) -> Iterator[None]:
    """Let MLP pause in every training step, and sleep for ever in the third step if no training was recorded before."""
    forward, steps = MLP.forward, []

    def sleeps(self: MLP, *batch: object) -> object:
        steps.append(None)
        time.sleep(FOREVER if len(steps) == 3 and not trained() else pause * self.training)
        return forward(self, *batch)  # type: ignore[arg-type]

    MLP.forward = sleeps  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        MLP.forward = forward  # type: ignore[method-assign]


def stall_in_trial_0(found: Study, on_event: OnEvent) -> None:
    """Run a study whose first training sleeps in its third step."""
    with stall_first(lambda: bool(found.records())):
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


def _stall_in_trial_0_of_rank_1(stalled: Path, found: Study, *arguments: Any) -> Any:
    """Train as a rank whose steps take a second; rank 1 stalls in the first training."""
    with stall_first(lambda: distributed.get_rank() == 0 or bool(found.records()), pause=1.2):
        return training_in_rank(stalled, found, *arguments)


def test_of_several_devices_one_that_stands_still_ends_its_training_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "training_in_rank", _stall_in_trial_0_of_rank_1)
    both = replace(study(tmp_path, search=SEARCH, final={"seeds": [1]}), stall_seconds=8.0, devices=2)
    tuner.run(both)  # a training of 8 steps takes longer than the limit
    assert [(r.kind, r.status, r.error) for r in both.records()] == [
        ("trial", "failed", "no further step for 8 s; given up"),
        *[("trial", "complete", None)] * 2,
        ("final", "complete", None),
    ]


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
