"""Rows of a user's file, Parquet or csv, in blocks and with the field columns of a data set."""

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from benchmark.weights.reading import Weights
from datamodules.base import DataError, Delimited

PARQUET = b"PAR1"  # first bytes
ROWS_AT_A_TIME = 8_192

Block = tuple[
    pl.DataFrame, Callable[[int], str], int
]  # rows, the place of a row of the file, rows of the file before these


def blocks(path: Path, weights: Weights, *, allow_missing: bool = False) -> Iterator[Block]:
    """Yield the rows of a file in their order, a block at a time.

    Raises DataError for a file that is no table, has no rows or lacks a column.

    Args:
        path: Parquet, or csv in UTF-8, plain or gzipped, told apart by the first bytes.
        weights: whose fields are read; columns may come in any order, and others are ignored.
        allow_missing: whether a column that is not there counts as missing in every row.
    """

    def check(columns: list[str]) -> None:
        if not set(columns) & set(weights.encoder.rules.columns) or not allow_missing:
            weights.encoder.check_columns(columns, str(path))

    first = 0
    try:
        for frame, place in _frames(path, weights, check):
            for rows in frame.iter_slices(ROWS_AT_A_TIME):
                yield rows, place, first
                first += len(rows)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: cannot be read: {str(error).partition(chr(10))[0]}") from None
    if not first:
        raise DataError(f"{path}: the file has no data rows")


def _frames(
    path: Path, weights: Weights, check: Callable[[list[str]], None]
) -> Iterator[tuple[pl.DataFrame, Callable[[int], str]]]:
    with path.open("rb") as file:
        is_parquet = file.read(len(PARQUET)) == PARQUET
    if is_parquet:
        frame = weights.data.prepare(pl.scan_parquet(path, glob=False))
        columns = frame.collect_schema().names()
        check(columns)
        read = frame.select(name for name in columns if name in weights.encoder.rules.columns)
        for batch in read.collect_batches(chunk_size=ROWS_AT_A_TIME):
            yield batch, lambda row: f"{path}, row {row + 1}"
        return
    table = Delimited(path)
    for batch in table.batches():
        prepared = weights.data.prepare(batch.lazy()).collect()
        check(prepared.columns)
        yield prepared, lambda row: f"{path}, line {table.line(row)}"
