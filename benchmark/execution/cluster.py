"""Studies on many machines: each is a task of Ray, placed and retried by Ray; the records stay on the machine that leads.

A worker claims its study from the leader, an actor on the leading machine and the only writer of the results folder, and
hands it each record before it goes on. Another claim of the same study bars the earlier one: a worker that was thought
lost cannot write a second time.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from benchmark.errors import RunError
from benchmark.execution.workers import stopped_by_sigterm
from benchmark.records.predictions import Labels, Logits
from benchmark.records.record import Record
from benchmark.study import Event, Study

RETRIES = 10  # of a task whose node or worker was lost
BEAT_SECONDS = 2.0  # between a worker's signs of life
GRACE_SECONDS = 120.0  # without one, after which a study is given to another worker
POLL_SECONDS = 0.5


class Barred(RuntimeError):
    """This worker's study was given to another, which has gone on without it."""


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Join the cluster at that address, or at the one that `ray start` left on this machine for 'auto'.

    'local' starts one on this machine, which listens on its loopback only. Raises RunError if there is no cluster.
    """
    options: dict[str, Any] = (
        {"include_dashboard": False, "_node_ip_address": "127.0.0.1"} if address == "local" else {}
    )
    try:
        ray.init(None if address == "local" else address, log_to_driver=False, configure_logging=False, **options)
    except (ConnectionError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise RunError(
            f"no Ray cluster at {address!r}: {reason}; start one with `ray start --head`, see docs/cluster.md"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


class Leader:
    """An actor on the leading machine: the only writer of the results folder; it knows which worker holds each study."""

    def __init__(self) -> None:
        self._holder: dict[str, str] = {}
        self._events: list[Event] = []
        self._alive: set[str] = set()

    def claim(self, study: Study, worker: str) -> None:
        """Bar all others from the study."""
        self._holder[study.name] = worker

    def records(self, study: Study) -> list[Record]:
        """Those of the study so far."""
        return study.records()

    def keep(self, study: Study, worker: str, record: Record) -> bool:
        """Add a record; False, and nothing is added, if another worker has claimed the study. Those who share have no name."""
        if worker and self._holder.get(study.name) != worker:
            return False
        study.keep(record)
        return True

    def keep_predictions(self, study: Study, seed: int, logits: Logits, labels: Labels) -> str | None:
        """Keep those of a final run beside the records; equal runs have equal ones, whoever sends them."""
        return study.keep_predictions(seed, logits, labels)

    def tell(self, event: Event) -> None:
        """Add an event for the screen."""
        self._events.append(event)

    def beat(self, study: Study, worker: str) -> None:
        """Note that the study's worker lives."""
        if self._holder.get(study.name) == worker:
            self._alive.add(study.name)

    def news(self) -> tuple[list[Event], set[str]]:
        """The events since the last call, and the studies whose workers gave a sign of life."""
        taken = self._events, self._alive
        self._events, self._alive = [], set()
        return taken


@dataclass(frozen=True)
class RemoteLedger:
    """The leader of one study for one worker: each call waits for the leader's answer."""

    leader: Any
    study: Study
    worker: str

    def records(self) -> list[Record]:
        """Those of the study so far."""
        return ray.get(self.leader.records.remote(self.study))

    def keep(self, record: Record) -> None:
        """Add a record. Raises Barred if another worker has claimed the study."""
        if not ray.get(self.leader.keep.remote(self.study, self.worker, record)):
            raise Barred(self.study.name)

    def keep_predictions(self, seed: int, logits: Logits, labels: Labels) -> str | None:
        """Keep those of a final run on the test part; their hash, None if there are too many."""
        return ray.get(self.leader.keep_predictions.remote(self.study, seed, logits, labels))


def _work(study: Study, leader: Any) -> None:
    """One study, on whichever machine Ray chose."""
    import torch

    from benchmark.tuning import tuner

    torch.set_num_threads(1)
    worker, over = uuid4().hex, threading.Event()
    ray.get(leader.claim.remote(study, worker))
    threading.Thread(target=_beat, args=(study, leader, worker, over), daemon=True).start()
    try:
        tuner.run(study, leader.tell.remote, RemoteLedger(leader, study, worker))
    except Barred:
        print(f"warning: {study.name} was given to another worker meanwhile; this one's result is dropped")
    finally:
        over.set()


def _share(study: Study, leader: Any) -> None:
    """The trials of one study beside other workers."""
    import torch

    from benchmark.tuning.shared import tune_together

    torch.set_num_threads(1)
    tune_together(study, leader.tell.remote, RemoteLedger(leader, study, ""))


def _beat(study: Study, leader: Any, worker: str, over: threading.Event) -> None:
    while not over.wait(BEAT_SECONDS):
        leader.beat.remote(study, worker)


def in_cluster(
    studies: list[Study],
    gpus_each: float,
    on_event: Callable[[Event], None],
    grace_seconds: float = GRACE_SECONDS,
    share: int = 1,
) -> None:
    """Run the studies as tasks of the connected cluster, one CPU and a share of a GPU each; `share` workers at each study.

    Ray retries a task whose node or process was lost. A study whose worker began and then gave no sign of life for
    `grace_seconds` is submitted again and the stalled worker barred. Raises what a study raised.
    """
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    leader: Any = ray.remote(Leader).options(num_cpus=0, scheduling_strategy=here).remote()
    n_devices = studies[0].devices
    options: dict[str, Any] = {"num_cpus": n_devices, "num_gpus": gpus_each * n_devices}
    options |= {"max_retries": RETRIES, "scheduling_strategy": "SPREAD"}
    task = ray.remote(_work).options(**options)
    absolute = [replace(study, results=study.results.resolve()) for study in studies]
    if share > 1:
        _result(
            [ray.remote(_share).options(**options).remote(study, leader) for study in absolute for _ in range(share)]
        )
    running = {task.remote(study, leader): study for study in absolute}
    heard: dict[str, float] = {}  # when a study's worker last gave a sign of life; none before its first
    with stopped_by_sigterm():
        while running:
            done, _ = ray.wait(list(running), timeout=POLL_SECONDS)
            events, alive = ray.get(leader.news.remote())
            for event in events:
                on_event(event)
            heard |= dict.fromkeys(alive, time.monotonic())
            for reference in done:
                study = running.pop(reference)
                heard.pop(study.name, None)
                _result(reference)
            for reference, study in list(running.items()):
                if time.monotonic() - heard.get(study.name, time.monotonic()) > grace_seconds:
                    del running[reference], heard[study.name]
                    ray.cancel(reference, force=True)
                    running[task.remote(study, leader)] = study
        for event in ray.get(leader.news.remote())[0]:
            on_event(event)


def _result(reference: Any) -> None:
    try:
        ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        reason = str(error).partition("\n")[0]
        raise RunError(f"the cluster gave a study up: {reason}; repeat the command to go on") from None
