"""Facts for the card of an encoded data set, read from the arrays block by block."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from datamodules.base.arrays import read_blocks
from datamodules.base.batches import damage_of
from datamodules.base.encode import SPLITS
from datamodules.base.module import CTRDataModule
from datamodules.base.rules import MISSING, OOV


def fields(data: CTRDataModule) -> pl.DataFrame:
    """Return one row per sparse field: its table rows, and for each part the shares of OOV and of missing cells."""
    tables = data.rows_of_tables()
    columns: dict[str, Any] = {"field": data.meta["sparse_columns"][: len(tables)], "table_rows": tables}
    for split in SPLITS:
        oov, missing = np.zeros(len(tables), np.int64), np.zeros(len(tables), np.int64)
        for block in _blocks(data, split, "sparse"):
            ids = block[:, : len(tables)]
            oov += (ids == OOV).sum(0)
            missing += (ids == MISSING).sum(0)
        columns[f"oov_{split}"] = oov / data.meta["rows"][split]
        if data.encoding == "clean":
            columns[f"missing_{split}"] = missing / data.meta["rows"][split]
    return pl.DataFrame(columns)


def balance(data: CTRDataModule) -> pl.DataFrame:
    """Return rows, positives and share of positives of each part."""
    rows, positives = data.meta["rows"], data.meta["positives"]
    return pl.DataFrame(
        [(split, rows[split], positives[split], positives[split] / rows[split]) for split in SPLITS],
        schema=["part", "rows", "positives", "share"],
        orient="row",
    )


def duplicates(data: CTRDataModule) -> pl.DataFrame:
    """Count the rows of each part whose encoded features repeat a row of the same part or occur in an earlier part.

    Labels are ignored. Rows are compared by a 64-bit hash of their features, which takes 8 bytes of memory per row.
    """
    hashes = {split: _hashes(data, split) for split in SPLITS}
    distinct = {split: np.unique(hash_R) for split, hash_R in hashes.items()}
    repeated = [len(hashes[split]) - len(distinct[split]) for split in SPLITS]
    columns: dict[str, Any] = {"part": SPLITS, "repeated_within": repeated}
    for earlier, *later in (SPLITS, SPLITS[1:]):
        shared = {split: int(np.isin(hashes[split], distinct[earlier]).sum()) for split in later}
        columns[f"also_in_{earlier}"] = [shared.get(split) for split in SPLITS]
    return pl.DataFrame(columns)


def _hashes(data: CTRDataModule, split: str) -> NDArray[np.uint64]:
    dense, sparse = (_blocks(data, split, kind) for kind in ("dense", "sparse"))
    return np.concatenate([_row_hashes(np.hstack(blocks)) for blocks in zip(dense, sparse, strict=True)])


def _blocks(data: CTRDataModule, split: str, kind: str) -> Iterator[NDArray[Any]]:
    with damage_of(data.folder):
        yield from read_blocks(data.folder / split / f"{kind}.npy")


def _row_hashes(block: NDArray[np.float64]) -> NDArray[np.uint64]:
    return pl.DataFrame([pl.Series(str(i), column) for i, column in enumerate(block.T)]).hash_rows(seed=0).to_numpy()
