"""Run a whole protocol, from data to report; called by `wukong-bench run` and, as `benchmark.run`, from Python."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmark.errors import ProtocolError, RunError
from benchmark.execution.devices import chosen_device, lanes_here
from benchmark.execution.own import Own
from benchmark.execution.progress.loggers import check_logger, logged
from benchmark.execution.studies import Facts, adopted, by_cell, check_reach, facts, studies_of
from benchmark.execution.workers import check_main
from benchmark.output import Screen
from benchmark.protocol import Protocol, load
from benchmark.records.folder import Folder, claimed
from benchmark.reports.results import Results
from benchmark.reports.write import write_report
from benchmark.study import STALL_MINUTES, Study

if TYPE_CHECKING:
    from benchmark.execution.workers import Work

RAY_LOOPBACK_SWITCH = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # if 0, Ray's processes bind to 127.0.0.1 only


def run(
    protocol: Protocol | Path | str,
    results: Path | str = "results",
    *,
    changes: Mapping[str, Any] | None = None,
    smoke: bool = False,
    data_dir: Path | None = None,
    device: str = "auto",
    jobs: int | None = None,
    per_gpu: int = 1,
    devices: int = 1,
    storage: str | None = None,
    cluster: str | None = None,
    share_studies: int = 1,
    accept: bool = False,
    stall_minutes: float = STALL_MINUTES,
    own: Own = Own(),  # noqa: B008 (frozen)
    keep_weights: bool = False,
    logger: str | None = None,
    console: Console | None = None,
) -> Results:
    """Tune every model of a protocol, measure the winners, write the report and return the results.

    Finished trainings are not repeated. Workers are spawned processes, so scripts must call this under
    `if __name__ == "__main__":`; a notebook or an interactive session need not. Raises RunError or ProtocolError for problems
    that the user can fix.

    Args:
        protocol: what to compare: the name of a shipped protocol, the path of a .toml file, or what `load_protocol` returns.
        results: folder that contains a results folder for each protocol.
        changes: values by dotted key, as search.trials, that replace those of a protocol given by name or path; recorded.
        smoke: start from the smallest form of a protocol given by name or path.
        data_dir: folder of the raw data sets; None: $WUKONG_BENCH_DATA or data.
        device: auto, cpu, cuda or cuda:N.
        jobs: number of studies at a time; None: one per core, or `per_gpu` per GPU.
        per_gpu: number of studies at a time on each GPU.
        devices: number of devices that train each model together (DDP).
        storage: Optuna's storage URL; None: SQLite in the results folder.
        cluster: auto, local or the address of a Ray cluster; None: this machine.
        share_studies: workers per study of a cluster; above 1 reruns draw other trials, and records say so.
        accept: continue although protocol, space, data or code changed; later records say so.
        stall_minutes: without a further step, after which a training is recorded as failed and the next one starts.
        own: the user's files, read by `Own.read` before the protocol is loaded.
        keep_weights: whether to keep the weights of final runs, in `weights/` of the results folder.
        logger: csv, tensorboard, wandb or mlflow, which gets every training too, in logs/; None: none.
        console: shows the progress; None: standard output, or the notebook.
    """
    check_main()
    if keep_weights and cluster is not None:
        raise RunError("--keep-weights keeps weights on this machine only; leave out --cluster, or use `train --from`")
    if not isinstance(protocol, Protocol):
        protocol = load(str(protocol), dict(changes or {}), smoke=smoke)
    elif changes or smoke:
        raise ProtocolError(
            "changes and smoke are for a protocol given by name or path; give them to load_protocol instead"
        )
    console, path = console or Screen(), Path(results) / protocol.name
    if logger:
        check_logger(logger)
    with claimed(path):
        folder = Folder(path, accept=accept)
        folder.adopt(protocol)
        with console.status("loading the data ..."):
            about = facts(protocol, data_dir)
        folder.adopt_data(about, protocol)
        studies = studies_of(protocol, path, data_dir=data_dir, own=own)
        left = [study for study in studies if study.runs_left()]
        finished = list(by_cell(study for study in studies if study not in left))
        _print(console, *(f"note: {note}" for note in [*folder.notes, *_other_code(folder.code_changes(finished))]))
        if left:
            chosen = chosen_device(device)
            lanes = lanes_here(chosen, jobs, per_gpu) if devices == 1 else [chosen] * (jobs or 1)
            at_a_time = None if cluster else max(Counter(lanes).values())
            with console.status("checking budgets, memory and code ..."):
                left = [replace(study, stall_seconds=60 * stall_minutes, keep_weights=keep_weights) for study in left]
                left = _prepared(left, folder, about, chosen, devices, storage, at_a_time)
            where = f"{len(lanes)} at a time on {chosen}" if cluster is None else f"on the cluster {cluster}"
            runs = sum(study.runs_left() for study in left)
            _print(
                console,
                f"{protocol.name}: {len(left)} of {len(studies)} studies left, {runs} runs, {where}; records in {path}",
            )
            from benchmark.tuning import tuner

            if cluster is None:
                create(left, console)
                in_lanes(left, tuner.run, lanes, console, logger)
            else:
                on_cluster(left, cluster, about, per_gpu, share_studies, console, logger)
        else:
            _print(console, f"{protocol.name}: nothing to train, all {len(studies)} studies are finished")
    with console.status("drawing tables and figures ..."):
        return Results(write_report(path))


def _other_code(changes: dict[str, list[str]]) -> Iterator[str]:
    """Say which finished studies were made with other code, those with the same changes together."""
    studies: dict[str, list[str]] = {}
    for study, of_study in changes.items():
        studies.setdefault("; ".join(of_study), []).append(study)
    for text, names in studies.items():
        further = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield f"finished with different code: {', '.join(names[:3])}{further}: {text}"


def _print(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(line, soft_wrap=True)


def _prepared(
    studies: Sequence[Study],
    folder: Folder,
    about: Facts,
    device: str,
    devices: int,
    storage: str | None,
    at_a_time: int | None,
) -> list[Study]:
    """Return the studies ready to run, with storage and devices, after checking budgets, memory, code and search spaces."""
    from benchmark.execution.planning.room import check_room
    from benchmark.tuning.storage import storage_url

    ready = [
        replace(study, storage=storage_url(storage, folder.path), device=device, devices=devices) for study in studies
    ]
    check_reach(ready, about)
    check_room(ready, about, at_a_time)
    return adopted(ready, folder, about)


def in_lanes(
    studies: Sequence[Study], work: "Work", devices: list[str], console: Console, logger: str | None = None
) -> None:
    """Run the studies in one spawned process per entry of `devices` and show their progress.

    Args:
        studies: in the order in which they are started.
        work: finishes one study.
        devices: device of each worker.
        console: shows the progress.
        logger: that gets the trainings too.
    """
    from benchmark.execution.progress.display import RunDisplay
    from benchmark.execution.workers import in_processes

    with RunDisplay(studies, console) as display:
        in_processes(studies, work, devices, logged(logger, studies[0], display, console))


def on_cluster(
    studies: Sequence[Study],
    address: str,
    about: Facts,
    per_gpu: int,
    share: int,
    console: Console,
    logger: str | None = None,
) -> None:
    """Run the studies as tasks of a Ray cluster and show their progress.

    Raises RunError if the extra 'cluster', the cluster, or a storage that all machines can reach is missing.

    Args:
        studies: in the order in which they are submitted.
        address: auto, local or the address of the cluster.
        about: facts about the studies' data sets.
        per_gpu: number of studies at a time on each GPU.
        share: workers per study.
        console: shows the progress.
        logger: that gets the trainings too, from this machine.
    """
    from benchmark.execution.progress.display import RunDisplay
    from benchmark.training.inputs import budget_of
    from benchmark.tuning import space
    from benchmark.tuning.resume import renumbered

    if studies[0].storage.startswith("sqlite") and address != "local":
        raise RunError(
            "--cluster needs a storage that all machines can reach; use --storage postgresql://USER@HOST/DATABASE"
        )
    if address == "local":
        os.environ[RAY_LOOPBACK_SWITCH] = "0"  # read when Ray is imported
    try:
        from benchmark.execution import cluster
    except ImportError:
        raise RunError("--cluster needs the extra 'cluster': pip install -e '.[cluster]'") from None
    create(studies, console)
    if share > 1:
        for study in studies:
            trials = {record.trial: record for record in study.records() if record.kind == "trial"}
            budget = budget_of(study, about[study.dataset])
            renumbered(study, trials, partial(space.distributions, study=study, budget=budget))
    gpus_each = 1 / per_gpu if studies[0].device.startswith("cuda") else 0
    with cluster.connected(address), RunDisplay(studies, console) as display:
        cluster.in_cluster(list(studies), gpus_each, logged(logger, studies[0], display, console), share=share)


def create(studies: Sequence[Study], console: Console) -> None:
    """Create the studies in their storage before workers start, since concurrent creation of a SQLite file can fail.

    Raises RunError if the storage cannot be reached.
    """
    from benchmark.tuning import storage

    first = studies[0]
    if first.storage.startswith("sqlite") and (kind := storage.on_network(first.results)):
        _print(
            console,
            f"warning: SQLite locks may fail on a {kind} file system; keep {first.results} on a local disk or use "
            "--storage postgresql://USER@HOST/DATABASE",
        )
    try:
        if aside := storage.create_studies(studies):
            _print(console, f"note: the storage was damaged; it was moved to {aside} and is rebuilt from the records")
    except storage.ERRORS as error:
        raise storage.out_of_reach(error, first.storage) from None
