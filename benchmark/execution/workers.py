"""Studies in parallel processes on one machine: each lane has one worker process, one device and one study at a time.

A lane is a process pool of size one, so a killed worker does not affect the others; its lane starts a new worker, which
resumes the same study.
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
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from benchmark.errors import RunError
from benchmark.study import LOSSES_ALLOWED, OnEvent, Study
from benchmark.training.memory import keep_freed_memory
from benchmark.training.processes import end_with_parent

POLL_SECONDS = 0.2

Work = Callable[[Any, OnEvent], None]  # of a study, or of a kind of study


def in_processes(studies: Sequence[Study], work: Work, devices: list[str], on_event: OnEvent) -> None:
    """Run the studies in one worker process per entry of `devices`.

    Raises what a worker raised, or RunError if workers keep dying without finishing a training.

    Args:
        studies: in the order in which they are started.
        work: finishes one study; a module-level function, so that spawned processes can import it.
        devices: device of each worker; a device may occur several times.
        on_event: called with the progress of every training, from threads of this process.
    """
    todo: queue.SimpleQueue[Study] = queue.SimpleQueue()
    for study in studies:
        todo.put(study)
    stopping = threading.Event()
    lanes = devices[: len(studies)]
    with stopped_by_sigterm(), ThreadPoolExecutor(len(lanes)) as threads:
        futures = [threads.submit(_lane, device, todo, work, stopping, on_event) for device in lanes]
        try:
            left = set(futures)
            while left:  # with a timeout, since a signal received by another thread does not wake the main thread
                finished, left = wait(left, POLL_SECONDS, FIRST_COMPLETED)
                for lane in finished:
                    lane.result()
        except BaseException:
            stopping.set()
            while not all(lane.done() for lane in futures):  # a lane may just be starting its worker
                for process in multiprocessing.active_children():
                    process.kill()  # ends stalled workers too; studies can resume from their records
                wait(futures, timeout=0.1)
            raise


def check_main() -> None:
    """Raise RunError if workers could not import the script that this process runs, as spawned processes do first.

    An interactive session has no script, so workers start from there; a script on standard input has one without a file.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # as multiprocessing itself asks
        raise RunError(
            'run() was called while a worker process imported this script; call it under `if __name__ == "__main__":`'
        )
    main = sys.modules["__main__"]
    script = getattr(main, "__file__", None)
    if script is not None and getattr(main, "__spec__", None) is None and not Path(script).is_file():
        raise RunError(
            f"worker processes import the script that calls run(), and {script} is no file; save the script, or call run() "
            "in a notebook or with python -i"
        )


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """Let SIGTERM, which schedulers send before they reclaim a machine, end the run like Ctrl-C, with exit code 143."""

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
    """Run studies from the queue on the device until none is left."""
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
                f"{study.name}: {deaths} worker processes in a row died before they finished a training (out of memory?); "
                "rerun the command to resume, with fewer --jobs if memory is short"
            )


@contextmanager
def _worker(on_event: OnEvent) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of one spawned process with its own event queue, since a killed writer may leave a queue locked."""
    context = multiprocessing.get_context("spawn")
    events, finished = context.Queue(), threading.Event()
    reader = threading.Thread(target=_forward, args=(events, finished, on_event), daemon=True)
    reader.start()
    try:
        with ProcessPoolExecutor(1, context, _start_worker, (events,)) as pool:
            yield pool
    finally:
        finished.set()
        reader.join(timeout=2)


def _forward(events: Any, finished: threading.Event, on_event: OnEvent) -> None:
    while True:
        try:
            on_event(events.get(timeout=POLL_SECONDS))
        except queue.Empty:
            if finished.is_set():
                return


_events: Any = None  # queue for the progress of a worker process


def _start_worker(events: Any) -> None:
    """Set up a worker process with one thread: parallel studies use the cores better than threads within one study."""
    global _events  # noqa: PLW0603 (a pool initialiser can only set globals)
    _events = events
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group; the parent handles it
    end_with_parent()
    import torch

    torch.set_num_threads(1)
    keep_freed_memory()


def _finish(work: Work, study: Study) -> None:
    try:
        work(study, _events.put)
    except SystemExit:  # Lightning turns SIGTERM into SystemExit
        os._exit(128 + signal.SIGTERM)
