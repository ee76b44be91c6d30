"""What the measurements run on: random rows with Criteo's fields, and models of a size that are ready to train."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

import models
from benchmark.budget import default_config
from datamodules.base import Batches
from models.base import Budget, Config, CTRModel, Execution, Optimiser
from models.base.config import TRAINING_FLOPS_PER_FORWARD_FLOP

N_DENSE, N_SPARSE = 13, 26  # Criteo's fields
EMBEDDING_DIM = 16
ROWS_OF_TABLES = 1_000_000
ZIPF_EXPONENT = 1.1  # of the value frequencies


def write_clicks(
    folder: Path, rows: int, n_sparse: int = N_SPARSE, table_rows: int = ROWS_OF_TABLES
) -> tuple[int, ...]:
    """Write Criteo-shaped random rows for Batches to read; return the cardinalities of the sparse fields.

    Args:
        folder: output folder.
        rows: number of rows.
        n_sparse: number of sparse columns.
        table_rows: rows of all embedding tables together.
    """
    draw = np.random.default_rng(0)
    cardinality = table_rows // n_sparse
    share = draw.random((rows, n_sparse))
    exponent = 1 - ZIPF_EXPONENT  # inverse of the continuous law's distribution function
    value = (1 + share * (cardinality**exponent - 1)) ** (1 / exponent) - 1
    arrays = {
        "dense": draw.normal(size=(rows, N_DENSE)).astype(np.float32),
        "sparse": np.minimum(value, cardinality - 1).astype(np.int32),
        "label": (draw.random(rows) < 0.25).astype(np.float32),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return (cardinality,) * n_sparse


@contextmanager
def clicks(
    rows: int, batch_size: int, device: str = "cpu", *, n_sparse: int = N_SPARSE, table_rows: int = ROWS_OF_TABLES
) -> Iterator[tuple[Batches, tuple[int, ...]]]:
    """Yield shuffled batches of rows by `write_clicks`, from a memory map, and the cardinalities.

    Args:
        rows: number of rows.
        batch_size: rows per batch.
        device: of the batches.
        n_sparse: number of sparse columns.
        table_rows: rows of all embedding tables together.
    """
    with tempfile.TemporaryDirectory() as folder:
        cardinalities = write_clicks(Path(folder), rows, n_sparse, table_rows)
        yield Batches(Path(folder), batch_size, seed=0, device=device), cardinalities


def config_at(name: str, mflop: float, n_sparse: int = N_SPARSE) -> Config:
    """Return the configuration of a model's trial 0 at a size.

    Args:
        name: name of the model.
        mflop: forward MFLOP per example.
        n_sparse: number of sparse columns.
    """
    training_flops = TRAINING_FLOPS_PER_FORWARD_FLOP * 1e6 * mflop
    return default_config(models.load(name).Config, Budget(training_flops, N_DENSE, n_sparse, EMBEDDING_DIM))


def prepared(
    name: str,
    config: Config,
    cardinalities: Sequence[int],
    device: str = "cpu",
    execution: Execution | None = None,
    optimiser: Optimiser | None = None,
) -> CTRModel:
    """Return a model that is ready to take steps.

    Args:
        name: name of the model.
        config: its architecture.
        cardinalities: rows of each sparse column's table.
        device: to train on.
        execution: precision, compilation and optimiser of the tables.
        optimiser: learning rate and regularisation.
    """
    torch.manual_seed(0)
    model = models.load(name)(config, N_DENSE, cardinalities).to(device)
    model.execution, model.optimiser = execution or Execution(), optimiser or Optimiser()
    model.configure_optimizers()
    return model


def endless(batches: Batches) -> Iterator[Any]:
    """Yield full batches, epoch after epoch."""
    while True:
        yield from (batch for batch in batches if len(batch[2]) == batches.batch_size)
