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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any, NoReturn

from benchmark.errors import RunError
from benchmark.study import LOSSES_ALLOWED, OnEvent, Study
from benchmark.training.memory import keep_freed_memory
from benchmark.training.processes import end_with_parent

POLL_SECONDS = 0.2

Work = Callable[[Any, OnEvent], None]  # of a study, or of a kind of study


def in_processes(studies: Sequence[Study], work: Work, devices: list[str], on_event: OnEvent) -> None:
    """Run the studies in one worker process for each of the devices.

    Raises what a worker raised, and RunError if workers keep dying without finishing a training.

    Args:
        studies: in the order in which they are started.
        work: finishes one study; a function of a module, which spawned processes can import.
        devices: of each worker; a device may be named several times.
        on_event: called with the workers' progress, in threads of this process.
    """
    todo: queue.SimpleQueue[Study] = queue.SimpleQueue()
    for study in studies:
        todo.put(study)
    stopping = threading.Event()
    lanes = devices[: len(studies)]
    with stopped_by_sigterm(), ThreadPoolExecutor(len(lanes)) as threads:
        done = [threads.submit(_lane, device, todo, work, stopping, on_event) for device in lanes]
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


def _lane(
    device: str, todo: "queue.SimpleQueue[Study]", work: Work, stopping: threading.Event, on_event: OnEvent
) -> None:
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
                    pool.submit(_finish, work, replace(study, device=device)).result()
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
    end_with_parent()
    import torch

    torch.set_num_threads(1)
    keep_freed_memory()


def _finish(work: Work, study: Study) -> None:
    try:
        work(study, _events.put)
    except SystemExit:  # what Lightning makes of a SIGTERM
        os._exit(128 + signal.SIGTERM)
