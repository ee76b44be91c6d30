"""Studies on several machines: each is a Ray task, placed and retried by Ray; the records stay on the leading machine.

A worker claims its study from the leader, an actor on the leading machine and the only writer of the results folder, and
sends it each record before it continues. A later claim of the same study bars the earlier one, so a worker that was
considered lost cannot write any more.
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
from benchmark.records import code
from benchmark.records.predictions import Labels, Logits
from benchmark.records.record import Record
from benchmark.study import Event, Study

RETRIES = 10  # of a task that lost its node or worker
HEARTBEAT_SECONDS = 2.0  # between a worker's heartbeats to the leader
GRACE_SECONDS = 120.0  # without a heartbeat, after which a study is given to another worker
POLL_SECONDS = 0.5


class Barred(RuntimeError):
    """This worker's study was given to another worker."""


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Join the cluster at that address; 'auto' is the one that `ray start` started on this machine.

    'local' starts a cluster on this machine that listens on the loopback only. Raises RunError if there is no cluster.
    """
    options: dict[str, Any] = (
        {"include_dashboard": False, "_node_ip_address": "127.0.0.1"} if address == "local" else {}
    )
    try:
        ray.init(None if address == "local" else address, log_to_driver=False, configure_logging=False, **options)
    except (ConnectionError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise RunError(
            f"no Ray cluster at {address!r}: {reason}; start one with `ray start --head` (see docs/cluster.md)"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


class Leader:
    """Actor on the leading machine: the only writer of the results folder; it knows which worker holds each study."""

    def __init__(self) -> None:
        self._holder: dict[str, str] = {}
        self._events: list[Event] = []
        self._alive: set[str] = set()

    def claim(self, study: Study, worker: str) -> None:
        """Give the study to this worker and bar all others."""
        self._holder[study.name] = worker

    def records(self, study: Study) -> list[Record]:
        """Return the study's records so far."""
        return study.records()

    def keep(self, study: Study, worker: str, record: Record) -> bool:
        """Append a record and return True; return False, and append nothing, if another worker has claimed the study.

        Args:
            study: of the record.
            worker: that claimed the study; empty for workers that share it.
            record: to append.
        """
        if worker and self._holder.get(study.name) != worker:
            return False
        study.keep(record)
        return True

    def keep_predictions(self, study: Study, seed: int, logits: Logits, labels: Labels) -> str | None:
        """Keep a final run's test predictions and return their hash; None if there are too many to keep.

        No claim is needed: equal runs have equal predictions, whichever worker sends them.

        Args:
            study: of the run.
            seed: of the run.
            logits: (N,), in the order of the test part.
            labels: (N,).
        """
        return study.keep_predictions(seed, logits, labels)

    def tell(self, event: Event) -> None:
        """Add an event for the display."""
        self._events.append(event)

    def beat(self, study: Study, worker: str) -> None:
        """Note that the study's worker is alive."""
        if self._holder.get(study.name) == worker:
            self._alive.add(study.name)

    def news(self) -> tuple[list[Event], set[str]]:
        """Return the events and the studies with a heartbeat since the last call."""
        news = self._events, self._alive
        self._events, self._alive = [], set()
        return news


@dataclass(frozen=True)
class RemoteLedger:
    """One worker's access to the records of its study; each call waits for the leader's answer."""

    leader: Any
    study: Study
    worker: str

    def records(self) -> list[Record]:
        """Return the study's records so far."""
        return ray.get(self.leader.records.remote(self.study))

    def keep(self, record: Record) -> None:
        """Append a record. Raises Barred if another worker has claimed the study."""
        if not ray.get(self.leader.keep.remote(self.study, self.worker, code.marked(record))):
            raise Barred(self.study.name)

    def keep_predictions(self, seed: int, logits: Logits, labels: Labels) -> str | None:
        """Keep a final run's test predictions and return their hash; None if there are too many to keep.

        Args:
            seed: of the run.
            logits: (N,), in the order of the test part.
            labels: (N,).
        """
        return ray.get(self.leader.keep_predictions.remote(self.study, seed, logits, labels))


def _work(study: Study, leader: Any) -> None:
    """Finish one study on the machine that Ray chose."""
    import torch

    from benchmark.tuning import tuner

    torch.set_num_threads(1)
    worker, finished = uuid4().hex, threading.Event()
    ray.get(leader.claim.remote(study, worker))
    threading.Thread(target=_heartbeats, args=(study, leader, worker, finished), daemon=True).start()
    try:
        tuner.run(study, leader.tell.remote, RemoteLedger(leader, study, worker))
    except Barred:
        print(f"warning: {study.name} was given to another worker; the result of this one is dropped")
    finally:
        finished.set()


def _share(study: Study, leader: Any) -> None:
    """Run trials of one study alongside other workers."""
    import torch

    from benchmark.tuning.shared import tune_together

    torch.set_num_threads(1)
    tune_together(study, leader.tell.remote, RemoteLedger(leader, study, ""))


def _heartbeats(study: Study, leader: Any, worker: str, finished: threading.Event) -> None:
    while not finished.wait(HEARTBEAT_SECONDS):
        leader.beat.remote(study, worker)


def in_cluster(
    studies: list[Study],
    gpus_each: float,
    on_event: Callable[[Event], None],
    grace_seconds: float = GRACE_SECONDS,
    share: int = 1,
) -> None:
    """Run the studies as tasks of the connected cluster. Raises what a study raised.

    Ray retries a task that lost its node or process. If a worker has started and then sends no heartbeat for
    `grace_seconds`, its study is submitted again and the stalled worker is barred.

    Args:
        studies: in the order in which they are submitted.
        gpus_each: fraction of a GPU for each device of a study; 0: CPU only.
        on_event: called with the progress of every training.
        grace_seconds: without a heartbeat, after which a worker is considered lost.
        share: workers per study.
    """
    on_this_node = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    leader: Any = ray.remote(Leader).options(num_cpus=0, scheduling_strategy=on_this_node).remote()
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
    last_heartbeat: dict[str, float] = {}  # by study; missing before the worker's first
    with stopped_by_sigterm():
        while running:
            done, _ = ray.wait(list(running), timeout=POLL_SECONDS)
            events, alive = ray.get(leader.news.remote())
            for event in events:
                on_event(event)
            last_heartbeat |= dict.fromkeys(alive, time.monotonic())
            for reference in done:
                study = running.pop(reference)
                last_heartbeat.pop(study.name, None)
                _result(reference)
            for reference, study in list(running.items()):
                if time.monotonic() - last_heartbeat.get(study.name, time.monotonic()) > grace_seconds:
                    del running[reference], last_heartbeat[study.name]
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
        raise RunError(f"the cluster gave up on a study: {reason}; rerun the command to resume") from None
