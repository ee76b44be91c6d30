"""The winners of a folder that can be timed here, and what hinders the others."""

from collections.abc import Sequence
from pathlib import Path

import torch
from pydantic import ValidationError

import models
from benchmark.errors import RunError
from benchmark.protocol import Protocol
from benchmark.records import store
from benchmark.records.files import first_problem
from benchmark.records.record import Record
from benchmark.speed.timing import Contest
from benchmark.study import Study, of_kind, winner
from benchmark.training.inputs import data_of
from benchmark.training.memory import keep_freed_memory
from datamodules import UnknownDataset
from datamodules.base import DataError


def contests(
    folder: Path, protocol: Protocol, data_dir: Path | None, device: str, names: Sequence[str] | None = None
) -> tuple[list[Contest], list[str]]:
    """Return what there is to be timed, by data set, and a line about each study or data set that is left out.

    Prepares this process for the measurement. Raises RunError if nothing is left.

    Args:
        folder: of the results.
        protocol: of the folder.
        data_dir: folder of the raw data sets; None: the default.
        device: that trains and predicts.
        names: of the models that are timed; None: all.
    """
    torch.set_num_threads(1)
    keep_freed_memory()
    runs: dict[str, list[Record]] = {}
    left_out = []
    by_name = by_study(folder)
    own_models = sorted({records[0].model for records in by_name.values()})
    if unknown := [name for name in names or () if name not in own_models]:
        raise RunError(f"no model {unknown[0]!r} in {folder}; it has {', '.join(own_models)}")
    for name, records in by_name.items():
        if names is not None and records[0].model not in names:
            continue
        final = first_final(records, protocol)
        if (reason := hindrance(final)) or final is None:
            left_out.append(f"{name}: {reason}")
        else:
            runs.setdefault(final.dataset, []).append(final)
    ready = []
    for dataset, own in runs.items():
        study = Study(protocol, dataset, own[0].model, own[0].budget, folder, "", data_dir, device)
        try:
            data = data_of(study, device)
        except (UnknownDataset, DataError) as error:
            left_out.append(f"{dataset}: {error}")
            continue
        if data.fingerprint != own[0].data_fingerprint:
            left_out.append(f"{dataset}: the data here have another fingerprint than those of the records")
            continue
        ready.append(Contest(dataset, tuple(sorted(own, key=lambda r: (r.budget, r.model))), protocol, data, device))
    if any(not models.known(name) for name in own_models) and names is None:
        every = ",".join(map(models.spelling, own_models))
        left_out.append(f"to time a model in a file of yours, name all models, that one by its path: --models {every}")
    if not ready:
        raise RunError(f"nothing in {folder} can be timed here: {'; '.join(left_out) or 'no records'}")
    return ready, left_out


def by_study(folder: Path) -> dict[str, list[Record]]:
    """Return the records of a folder by study."""
    studies: dict[str, list[Record]] = {}
    for record in store.read(folder):
        studies.setdefault(record.study, []).append(record)
    return studies


def first_final(records: list[Record], protocol: Protocol) -> Record | None:
    """Return the first final run of the winner of a study's first finished block; None if there is none."""
    for block in sorted({record.block for record in records}):
        own = [record for record in records if record.block == block]
        best = winner(own, protocol)
        finals = [r for r in of_kind(own, "final") if r.status == "complete" and best and r.trial == best.trial]
        if finals:
            return min(finals, key=lambda r: r.seed)
    return None


def hindrance(run: Record | None) -> str:
    """Return why a run cannot be timed here; empty if it can."""
    if run is None:
        return "no block is finished"
    if not models.known(run.model):
        return f"no model {run.model!r} is installed here"
    try:
        models.load(run.model).Config.model_validate(run.config)
    except ValidationError as error:
        return f"its configuration is none of the model installed here ({first_problem(error)})"
    return ""
