"""Scores rows that nobody has labelled yet, in bounded memory."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from polars.io.plugins import register_io_source

from benchmark.errors import RunError, disk_errors
from benchmark.weights.reading import Weights
from benchmark.weights.rows import blocks
from datamodules.base import DataError
from datamodules.base.rules import OOV

SCHEMA = pl.Schema({"score": pl.Float64(), "logit": pl.Float32()})


@dataclass
class Scored:
    """How many rows were scored, and how many of their cells the train part does not have."""

    rows: int = 0
    unseen: dict[str, int] = field(default_factory=dict)  # by sparse field

    def add(self, sparse_RF: NDArray[np.int32], names: list[str]) -> None:
        """Count the cells of a block of rows.

        Args:
            sparse_RF: their ids.
            names: of the sparse fields.
        """
        self.rows += len(sparse_RF)
        for i, name in enumerate(names):
            self.unseen[name] = self.unseen.get(name, 0) + int(np.count_nonzero(sparse_RF[:, i] == OOV))


def score(weights: Weights, rows: Path, out: Path, *, allow_missing: bool = False, device: str = "cpu") -> Scored:
    """Write `score`, the probability, and `logit` of every row, in the order of the rows; return what was scored.

    Raises DataError for rows that cannot be encoded and RunError if `out` cannot be written; nothing is written then.

    Args:
        weights: of the model.
        rows: Parquet, csv or gzipped csv.
        out: Parquet file to write.
        allow_missing: whether a column that is not there counts as missing in every row.
        device: that holds the model.
    """
    if out.suffix != ".parquet":
        raise RunError(f"{out}: scores are written as Parquet; give a name that ends in .parquet")
    if not out.parent.is_dir():
        raise RunError(f"{out}: no folder {out.parent}; create it first")
    if out.exists() and out.samefile(rows):
        raise RunError(f"{out}: is the file of the rows; give another --out")
    scored = Scored()

    def scores(*_: object) -> Iterator[pl.DataFrame]:
        for logit_R in logits(weights, rows, scored, allow_missing=allow_missing, device=device):
            probability_R = 1 / (1 + np.exp(-logit_R.astype(np.float64)))
            yield pl.DataFrame({"score": probability_R, "logit": logit_R}, schema=SCHEMA)

    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    with disk_errors(out):
        try:
            register_io_source(scores, schema=SCHEMA).sink_parquet(temporary, maintain_order=True)
            temporary.replace(out)
        finally:
            temporary.unlink(missing_ok=True)
    return scored


def logits(
    weights: Weights, rows: Path, scored: Scored, *, allow_missing: bool = False, device: str = "cpu"
) -> Iterator[NDArray[np.float32]]:
    """Yield the logits of the rows of a file, (R,), a block at a time. Raises DataError for rows that cannot be encoded.

    Args:
        weights: of the model.
        rows: Parquet, csv or gzipped csv.
        scored: is told of each block.
        allow_missing: whether a column that is not there counts as missing in every row.
        device: that holds the model.
    """
    for dense_RN, sparse_RF in encoded(weights, rows, allow_missing=allow_missing):
        dense, sparse = torch.from_numpy(dense_RN).to(device), torch.from_numpy(sparse_RF).to(device)
        with torch.inference_mode():
            logit_R = weights.model.execution.logits(weights.model, (dense, sparse, dense.new_empty(len(dense))))
        scored.add(sparse_RF, list(weights.encoder.rules.tables))
        yield logit_R.cpu().numpy()


def encoded(
    weights: Weights, rows: Path, *, allow_missing: bool = False
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int32]]]:
    """Yield dense_RN and sparse_RF of the rows of a file, a block at a time. Raises DataError for rows it cannot encode.

    Args:
        weights: with the encoder.
        rows: Parquet, csv or gzipped csv.
        allow_missing: whether a column that is not there counts as missing in every row.
    """
    for frame, place, first in blocks(rows, weights, allow_missing=allow_missing):
        try:
            yield weights.encoder.encode(frame, place, first)
        except pl.exceptions.PolarsError as error:  # a column of lists, for one
            raise DataError(f"{rows}: cannot be encoded: {str(error).partition(chr(10))[0]}") from None
