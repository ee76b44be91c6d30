"""Writes a folder of weights: complete under its name, or not there."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save_file

from benchmark.errors import RunError, disk_errors
from benchmark.protocol.sections import Training
from benchmark.records import files
from benchmark.records.record import Record
from benchmark.weights.form import ABOUT, FROZEN, MODEL, VOCABULARY, About, code_of
from datamodules.base import CTRDataModule, file_digest
from datamodules.base.encode import frozen_file
from datamodules.base.encoder import encoder_of
from models.base import CTRModel

State = dict[str, NDArray[Any]]


def state_of(model: CTRModel) -> State:
    """Return a model's parameters and buffers by name; on a CPU they share its memory."""
    return {name: value.detach().cpu().numpy() for name, value in model.state_dict().items()}


def write(folder: Path, state: State, data: CTRDataModule, record: Record, training: Training) -> None:
    """Write weights and the encoder of their data set; a folder of that name is replaced.

    Raises RunError, and leaves what was there, if the disk is full or not writable.

    Args:
        folder: to write.
        state: parameters and buffers by name.
        data: the data set that the model was trained on.
        record: of the training.
        training: settings of the training.
    """
    encoder = encoder_of(data)
    frozen = {name: rule for name, rule in encoder.rules.tables.items() if rule.frozen}
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    with disk_errors(folder):
        try:
            temporary.mkdir(parents=True)
            encoder.vocabulary.write_parquet(temporary / VOCABULARY)
            _save(state, temporary / MODEL)
            if frozen:
                _save(
                    {name: np.load(frozen_file(data.folder, name), mmap_mode="r") for name in frozen},
                    temporary / FROZEN,
                )
            digests: Any = {path.name: file_digest(path) for path in sorted(temporary.iterdir())}
            about = About(
                record=record,
                training=training,
                encoder=encoder.rules,
                declaration=data.about.get("declaration"),
                code=code_of(record.model),
                digests=digests,
            )
            files.write_json(temporary / ABOUT, about.model_dump(mode="json"))
            _replace(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _save(tensors: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Write tensors by name, readable for whom the vocabulary beside them is."""
    try:
        save_file(dict(tensors), path)
    except SafetensorError as error:  # its text has the reason of the operating system
        raise RunError(f"{path.parent.parent}: cannot be written: {error}") from None
    shutil.copymode(path.with_name(VOCABULARY), path)


def _replace(temporary: Path, folder: Path) -> None:
    """Give a folder its name; one that has the name is moved away first, and back if that fails."""
    earlier = folder.with_name(f"{temporary.name}.earlier")
    if folder.exists():
        folder.rename(earlier)
    try:
        temporary.rename(folder)
    except OSError:
        if earlier.exists():
            earlier.rename(folder)
        raise
    shutil.rmtree(earlier, ignore_errors=True)
