"""Studies in parallel processes of one machine: each worker has its lane, its device and one study at a time.

A lane is a process pool of one, so that a worker that is killed takes no other with it; its lane starts another, which
goes on with the same study.
"""

import multiprocessing
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any, NoReturn

from benchmark.errors import RunError
from benchmark.memory import keep_freed_memory
from benchmark.resume import LOSSES_ALLOWED
from benchmark.study import OnEvent, Study

POLL_SECONDS = 0.2


def in_processes(studies: Sequence[Study], devices: list[str], on_event: OnEvent) -> None:
    """Run the studies, each device's worker one at a time; events reach `on_event` in threads of this process.

    Raises what a worker raised, RunError if workers die without getting anywhere.
    """
    todo: queue.SimpleQueue[Study] = queue.SimpleQueue()
    for study in studies:
        todo.put(study)
    stopping = threading.Event()
    lanes = devices[: len(studies)]
    with stopped_by_sigterm(), ThreadPoolExecutor(len(lanes)) as threads:
        done = [threads.submit(_lane, device, todo, stopping, on_event) for device in lanes]
        try:
            left = set(done)
            while left:  # with a timeout: a signal that another thread received wakes the main thread no sooner
                finished, left = wait(left, POLL_SECONDS, FIRST_COMPLETED)
                for lane in finished:
                    lane.result()
        except BaseException:
            stopping.set()
            while not all(lane.done() for lane in done):  # a lane may be starting its worker right now
                for process in multiprocessing.active_children():
                    process.kill()  # which a study survives, and a stalled worker obeys
                wait(done, timeout=0.1)
            raise


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """SIGTERM, as schedulers send it before they take a machine away, ends the run as Ctrl-C does, with code 143."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        sys.exit(128 + signal.SIGTERM)

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _lane(device: str, todo: "queue.SimpleQueue[Study]", stopping: threading.Event, on_event: OnEvent) -> None:
    """Take studies and have them run on the device until none is left."""
    try:
        study = todo.get_nowait()
    except queue.Empty:
        return
    deaths, n_records = 0, len(study.records())
    while not stopping.is_set():
        with _worker(on_event) as pool:
            try:
                while not stopping.is_set():
                    pool.submit(_work, replace(study, device=device)).result()
                    study = todo.get_nowait()
                    deaths, n_records = 0, len(study.records())
            except queue.Empty:
                return
            except BrokenProcessPool:
                if stopping.is_set():
                    return
        deaths = 0 if len(study.records()) > n_records else deaths + 1
        n_records = len(study.records())
        if deaths > LOSSES_ALLOWED:
            raise RunError(
                f"{study.name}: {deaths} worker processes in a row died before they finished anything; "
                "is there memory enough? Repeat the command to go on, with fewer --jobs perhaps"
            )


@contextmanager
def _worker(on_event: OnEvent) -> Iterator[ProcessPoolExecutor]:
    """A pool of one spawned process, whose queue of events no other shares: a killed writer may leave it locked."""
    context = multiprocessing.get_context("spawn")
    events, over = context.Queue(), threading.Event()
    reader = threading.Thread(target=_forward, args=(events, over, on_event), daemon=True)
    reader.start()
    try:
        with ProcessPoolExecutor(1, context, _start_worker, (events,)) as pool:
            yield pool
    finally:
        over.set()
        reader.join(timeout=2)


def _forward(events: Any, over: threading.Event, on_event: OnEvent) -> None:
    while True:
        try:
            on_event(events.get(timeout=0.2))
        except queue.Empty:
            if over.is_set():
                return


_events: Any = None  # of a worker process: where its progress goes


def _start_worker(events: Any) -> None:
    """One thread each: several studies side by side use the cores better than the threads of one."""
    global _events  # noqa: PLW0603 (a process pool's initialiser has no other place)
    _events = events
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(1)
    keep_freed_memory()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(study: Study) -> None:
    try:
        study.execute(_events.put)
    except SystemExit:  # what Lightning makes of a SIGTERM
        os._exit(128 + signal.SIGTERM)
