"""A whole protocol: its studies in parallel processes, each resumable, in one results folder."""

import multiprocessing
import os
import queue
import signal
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console

from benchmark import records
from benchmark.memory import keep_freed_memory
from benchmark.progress import RunDisplay
from benchmark.protocol import Protocol, validated
from benchmark.study import Progress, Study

LOST_WORKERS_ALLOWED = 2  # a worker may be killed so often, by the kernel for its memory say, before the run stops


class RunError(RuntimeError):
    """The run cannot start or go on; the message says what to do."""


@contextmanager
def claimed(results: Path) -> Iterator[None]:
    """Hold a results folder, so that no second run writes there. Raises RunError if it cannot be written or is held."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        probe = results / f".probe.{os.getpid()}"
        probe.touch()
        probe.unlink()
        lock = FileLock(results / ".lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(
            f"{results} is in use by another run; wait for it, or choose another folder with --results"
        ) from None
    except OSError as error:
        raise RunError(f"cannot write to {results}: {error.strerror}; choose another folder with --results") from None
    with lock:
        yield


def adopt(protocol: Protocol, results: Path) -> Protocol:
    """Write the protocol to the folder, merged with the one there. Raises RunError if they compare differently."""
    path = results / "protocol.toml"
    if path.exists():
        there = validated(tomllib.loads(path.read_text(encoding="utf-8")), str(path))
        if there.identity() != protocol.identity():
            changes = "; ".join(differences(there.model_dump(mode="json"), protocol.model_dump(mode="json")))
            raise RunError(
                f"{results} holds results of another protocol: {changes}. "
                "Choose another folder with --results, or give the protocol another name with --name"
            )
        merged = {key: _union(getattr(there, key), getattr(protocol, key)) for key in ("datasets", "models", "budgets")}
        records.write_text(path, protocol.model_copy(update=merged).toml())
    else:
        records.write_text(path, protocol.toml())
    return protocol


def differences(there: dict[str, Any], here: dict[str, Any], prefix: str = "") -> list[str]:
    """What differs in what must be equal, as 'key there -> here'."""
    found = []
    for key, value in there.items():
        if isinstance(value, dict):
            found += differences(value, here[key], f"{prefix}{key}.")
        elif value != here[key] and (prefix or key == "embedding_dim"):
            found.append(f"{prefix}{key} {value} -> {here[key]}")
    return found


def _union(there: tuple[Any, ...], here: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*there, *(value for value in here if value not in there))


def prepare(protocol: Protocol, results: Path, data_dir: Path | None) -> dict[str, dict[str, Any]]:
    """The facts about the data sets, written to the folder too. Raises RunError if the data changed since."""
    found = facts(protocol, data_dir)
    for name, here in found.items():
        path = results / "datasets" / f"{name}.json"
        there = records.read_json(path) if path.exists() else here
        if there["fingerprint"] != here["fingerprint"]:
            raise RunError(
                f"{results} holds results on other data: {name} was {there['fingerprint']}, is {here['fingerprint']}. "
                "Choose another folder with --results"
            )
        records.write_json(path, here)
    return found


def facts(protocol: Protocol, data_dir: Path | None) -> dict[str, dict[str, Any]]:
    """Title, columns, rows, fingerprint, licence and citation of each data set, encoded now if need be."""
    import datamodules

    found = {}
    for name in protocol.datasets:
        data = datamodules.load(name)(data_dir, train_rows=protocol.training.train_rows)
        found[name] = {**data.meta, "licence": data.licence, "citation": data.citation}
    return found


def studies(
    protocol: Protocol, results: Path, facts: dict[str, dict[str, Any]], data_dir: Path | None, device: str
) -> list[Study]:
    """All studies of a protocol, the costliest first. Raises RunError where a budget is out of a model's reach."""
    from benchmark import tune

    found = [
        Study(protocol, dataset, model, budget, results, f"sqlite:///{results / 'study.db'}", data_dir, device)
        for budget in sorted(protocol.budgets, reverse=True)
        for dataset in protocol.datasets
        for model in protocol.models
    ]
    for study in found:
        n_dense, n_sparse = (len(facts[study.dataset][key]) for key in ("dense_columns", "sparse_columns"))
        if reason := tune.out_of_reach(study, n_dense, n_sparse):
            raise RunError(f"{study.name}: {reason}")
    return found


def execute(studies: list[Study], jobs: int, console: Console) -> None:
    """Run the studies in `jobs` spawned processes, shown on the console."""
    from benchmark import tune

    for study in studies:  # before the workers: two that open a fresh SQLite file at once lose one
        tune.open_study(study)
    with RunDisplay(studies, console) as display:
        _in_processes(studies, jobs, display)


def _in_processes(studies: list[Study], jobs: int, on_event: Callable[[Progress], None]) -> None:
    """Events reach `on_event` in a thread of this process."""
    context = multiprocessing.get_context("spawn")
    events = context.Queue()
    stop = threading.Event()
    reader = threading.Thread(target=_forward, args=(events, stop, on_event), daemon=True)
    reader.start()
    previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    pending, losses = list(studies), 0
    try:
        while pending:
            with ProcessPoolExecutor(min(jobs, len(pending)), context, _start_worker, (events,)) as pool:
                futures = {pool.submit(_work, study): study for study in pending}
                try:
                    for future in as_completed(futures):
                        future.result()
                    pending = []
                except BrokenProcessPool:
                    pending = [study for future, study in futures.items() if _unfinished(future)]
                    losses += 1
                    if losses > LOST_WORKERS_ALLOWED:
                        raise RunError(
                            f"a worker process was killed {losses} times, the last with {len(pending)} studies to do; "
                            "is there memory enough? Run again to go on from there, with fewer --jobs perhaps"
                        ) from None
                except BaseException:
                    for process in multiprocessing.active_children():
                        process.terminate()
                    raise
    finally:
        signal.signal(signal.SIGTERM, previous)
        stop.set()
        reader.join(timeout=5)


def _unfinished(future: "Future[None]") -> bool:
    return not future.done() or future.cancelled() or future.exception() is not None


def _forward(events: Any, stop: threading.Event, on_event: Callable[[Progress], None]) -> None:
    while True:
        try:
            on_event(events.get(timeout=0.2))
        except queue.Empty:
            if stop.is_set():
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
    from benchmark import tune

    tune.run(study, _events.put)
