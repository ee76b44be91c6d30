"""A whole protocol: its studies, each resumable, in one results folder, on one machine or on a cluster."""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from optuna.distributions import distribution_to_json
from rich.console import Console

from benchmark import space, storage
from benchmark.errors import RunError
from benchmark.folder import Folder
from benchmark.progress import RunDisplay
from benchmark.protocol import Protocol
from benchmark.resume import renumbered
from benchmark.study import Study
from benchmark.workers import in_processes

Facts = dict[str, dict[str, Any]]  # about each data set
KEEPS_TO_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # off: Ray's processes bind to 127.0.0.1 and nothing else


def facts(protocol: Protocol, data_dir: Path | None) -> Facts:
    """Title, columns, rows, fingerprint, licence and citation of each data set, encoded now if need be."""
    import datamodules

    found = {}
    for name in protocol.datasets:
        data = datamodules.load(name)(data_dir, train_rows=protocol.training.train_rows)
        found[name] = {**data.meta, "licence": data.licence, "citation": data.citation}
    return found


def studies(protocol: Protocol, results: Path, facts: Facts, data_dir: Path | None, device: str) -> list[Study]:
    """All studies of a protocol, the costliest first. Raises RunError where a budget is out of a model's reach."""
    found = [
        Study(protocol, dataset, model, budget, results, storage.storage_url(None, results), data_dir, device)
        for budget in sorted(protocol.budgets, reverse=True)
        for dataset in protocol.datasets
        for model in protocol.models
    ]
    for study in found:
        if reason := space.out_of_reach(study, *_fields(study, facts)):
            raise RunError(f"{study.name}: {reason}")
    return found


def _fields(study: Study, facts: Facts) -> tuple[int, int]:
    return len(facts[study.dataset]["dense_columns"]), len(facts[study.dataset]["sparse_columns"])


def adopted(studies: list[Study], folder: Folder, facts: Facts, url: str, devices: int) -> list[Study]:
    """The studies as this run of a folder runs them. Raises RunError if code or search space changed since."""
    spaces: dict[str, Any] = {}
    for study in studies:
        budget = space.budget_of(study, *_fields(study, facts))
        found = space.distributions(space.default_parameters(study), study, budget)
        spaces[study.name] = {name: distribution_to_json(value) for name, value in found.items()}
    if any(study.runs_left() for study in studies):  # else nothing will be run that could differ
        folder.adopt_code(spaces, studies[0].protocol)
    same: dict[str, Any] = {"storage": url, "devices": devices, "run": uuid4().hex, "namespace": folder.namespace()}
    return [replace(study, identity=folder.identity, accepted=folder.accepted, **same) for study in studies]


def execute(studies: list[Study], devices: list[str], console: Console) -> None:
    """Run the studies in one spawned process for each of the devices, shown on the console."""
    create(studies, console)
    in_lanes(studies, devices, console)


def in_lanes(studies: Sequence[Study], devices: list[str], console: Console) -> None:
    """The same for studies that need no storage."""
    with RunDisplay(studies, console) as display:
        in_processes(studies, devices, display)


def execute_on_cluster(
    studies: list[Study], address: str, facts: Facts, per_gpu: int, share: int, console: Console
) -> None:
    """Run the studies as tasks of a Ray cluster, `share` workers at each.

    Raises RunError without the extra, a cluster, or a storage that all machines reach.
    """
    if studies[0].storage.startswith("sqlite") and address != "local":
        raise RunError("--cluster needs a storage that all machines reach: --storage postgresql://USER@HOST/DATABASE")
    if address == "local":
        os.environ[KEEPS_TO_LOOPBACK] = "0"  # read when Ray is imported
    try:
        from benchmark import cluster
    except ImportError:
        raise RunError("--cluster needs the extra 'cluster': pip install -e '.[cluster]'") from None
    create(studies, console)
    if share > 1:
        for study in studies:
            trials = {record.trial: record for record in study.records() if record.kind == "trial"}
            budget = space.budget_of(study, *_fields(study, facts))
            renumbered(study, trials, partial(space.distributions, study=study, budget=budget))
    gpus_each = 1 / per_gpu if studies[0].device.startswith("cuda") else 0
    with cluster.connected(address), RunDisplay(studies, console) as display:
        cluster.in_cluster(studies, gpus_each, display, share=share)


def create(studies: list[Study], console: Console) -> None:
    """Create the studies in their storage: two workers that open a fresh SQLite file at once lose one.

    Raises RunError at once if it is out of reach.
    """
    first = studies[0]
    if first.storage.startswith("sqlite") and (kind := storage.on_network(first.results)):
        console.print(
            f"warning: SQLite on a {kind} file system may lose its locks; keep {first.results} on a local disk, or give "
            "--storage postgresql://USER@HOST/DATABASE",
            highlight=False,
        )
    try:
        for study in studies:
            storage.open_study(study)
    except storage.ERRORS as error:
        raise storage.out_of_reach(error, first.storage) from None


def lanes(device: str, jobs: int | None, per_gpu: int, cores: int, gpus: int) -> list[str]:
    """The device of each worker process: `jobs` of them, by default one for each core, or `per_gpu` for each visible GPU."""
    if device == "cuda":
        every = [f"cuda:{index}" for _ in range(per_gpu) for index in range(gpus)]
    elif device.startswith("cuda"):
        every = [device] * per_gpu
    else:
        every = [device] * cores
    return [every[lane % len(every)] for lane in range(jobs or len(every))]
