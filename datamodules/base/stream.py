"""The first pass over the raw rows: check the cells, code the distinct texts, count them, write the codes.

For each part it writes label.npy (R,) float32, dense.npy (R, N) float64 unscaled with NaN for missing, sparse.npy
(R, F + L) int32 dictionary codes and, if there are such columns, group.npy (R,) int32 codes and weight.npy (R,) float64. L is
the total length of the sequence fields; a sequence shorter than its field is padded at the front with PADDING.
"""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from datamodules._names import nearest
from datamodules.base.arrays import ArrayWriter
from datamodules.base.cells import labelled
from datamodules.base.delimited import Delimited
from datamodules.base.dictionary import Counts, Dictionary
from datamodules.base.errors import DataError
from datamodules.base.fields import Fields, Source

PADDING = -1
SEPARATOR = "^"  # between the values of a sequence


class Stream:
    """Streams the parts of one data set and collects its distinct texts, counts, rows and positives."""

    def __init__(self, fields: Fields, title: str):
        self.fields, self.title = fields, title
        self.width = len(fields.tables()) + sum(s.length for s in fields.sequences.values())
        names = [*map(fields.column, fields.tables()), fields.group]
        self.dictionaries = {name: Dictionary() for name in names if name is not None}
        counted = [name for name, s in fields.sequences.items() if s.table in fields.sparse]
        self.counts = {name: Counts() for name in (*fields.sparse, *counted)}
        self.rows: dict[str, int] = {}
        self.positives: dict[str, int] = {}
        self.mean_weight = 1.0  # of the train part
        self.ignored: list[str] = []  # columns present but not declared

    def write(self, folder: Path, split: str, sources: list[Source], rows: int | None = None) -> None:
        """Write one part. Raises DataError naming the place, column and value of a bad cell and what is expected.

        Args:
            folder: Existing folder to write the arrays to.
            split: Name of the part.
            sources: Its rows.
            rows: Write only the first rows; None writes all.
        """
        fields, positives, dictionaries = self.fields, 0, self.dictionaries.values()
        weight_2 = np.zeros((2, 1))  # sums over negatives and positives
        with ExitStack() as stack, ThreadPoolExecutor(pl.thread_pool_size()) as threads:
            label, dense, sparse, group, weight = (
                stack.enter_context(ArrayWriter(folder / f"{name}.npy", dtype, *shape))
                for name, dtype, shape in (
                    ("label", np.float32, ()),
                    ("dense", np.float64, (len(fields.dense),)),
                    ("sparse", np.int32, (self.width,)),
                    ("group", np.int32, ()),
                    ("weight", np.float64, ()),
                )
            )
            for source in sources:
                first = label.rows
                for batch in self._batches(source, None if rows is None else rows - first):
                    place = partial(source.where, title=self.title, split=split)
                    label_R, dense_RN, weight_R1 = labelled(batch, fields, place, label.rows - first)
                    positives += int(label_R.sum())
                    # one thread per column, so that its texts stay in one cache
                    columns = [batch[name] for name in self.dictionaries]
                    column_codes = threads.map(Dictionary.codes, dictionaries, columns)
                    codes = dict(zip(self.dictionaries, column_codes, strict=True))
                    label.append(label_R)
                    dense.append(dense_RN)
                    sparse.append(self._codes(batch, codes, counted=split == "train"))
                    if fields.group is not None:
                        group.append(codes[fields.group])
                    if fields.weight is not None:
                        weight.append(weight_R1[:, 0])
                        with np.errstate(over="ignore"):  # `_weigh` refuses infinity
                            weight_2 += (1 - label_R) @ weight_R1, label_R @ weight_R1
            self.rows[split], self.positives[split] = label.rows, positives
        for name, column in (("group", fields.group), ("weight", fields.weight)):
            if column is None:
                (folder / f"{name}.npy").unlink()
        if not self.rows[split]:
            raise DataError(f"{self._named(sources)}: the {split} part has no rows")
        if positives in (0, self.rows[split]):
            raise DataError(
                f"{self._named(sources)}: the {split} part has only one class "
                f"({positives:,} positives in {self.rows[split]:,} rows); AUC needs both"
            )
        if fields.weight is not None:
            self._weigh(weight_2, split, sources)

    def values(self, field: str) -> pl.Series:
        """Return the distinct texts of a sparse field's table, in code order."""
        return self.dictionaries[self.fields.column(field)].values()

    def group_ranks(self) -> NDArray[np.int32]:
        """Return the rank by text, from 1, of each group code, (C + 1,); the last entry, 0, is for a missing group."""
        assert self.fields.group is not None  # noqa: S101 (tells mypy)
        values = self.dictionaries[self.fields.group].values()
        return np.append(values.rank("dense").cast(pl.Int32).to_numpy(), np.int32(0))

    def occurrences(self, field: str) -> NDArray[np.int64]:
        """Return how often the train part has each value of a sparse field's table, (readers, C), in code order."""
        count = self.dictionaries[self.fields.column(field)].n_codes
        return np.stack([self.counts[reader].of(count) for reader in self.readers(field)])

    def readers(self, field: str) -> list[str]:
        """Return the fields that read the table of a sparse field: itself and its sequences."""
        return [field, *(name for name, sequence in self.fields.sequences.items() if sequence.table == field)]

    def _named(self, sources: list[Source]) -> str:
        table = sources[0].table if sources else None
        return str(table.path) if isinstance(table, Delimited) else self.title

    def _weigh(self, weight_2: NDArray[np.float64], split: str, sources: list[Source]) -> None:
        """Keep the mean weight of the train part. Raises DataError if a class has no weight, or more than floats hold.

        Args:
            weight_2: sums of the weights of the negatives and the positives.
            split: name of the part.
            sources: its rows.
        """
        negatives, positives = weight_2.flatten().tolist()
        if not (0 < negatives < math.inf and 0 < positives < math.inf):
            raise DataError(
                f"{self._named(sources)}: {self.fields.weight} adds up to {positives:g} over the positives and {negatives:g} "
                f"over the negatives of the {split} part; expected two finite sums above 0"
            )
        if split == "train":
            self.mean_weight = (negatives + positives) / self.rows[split]

    def _batches(self, source: Source, rows: int | None) -> Iterator[pl.DataFrame]:
        """Yield the first `rows` rows, or all, in blocks."""
        try:
            for i, batch in enumerate(source.batches(rows)):
                if i == 0:
                    self._check_columns(batch.columns, source)
                yield batch
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(f"{self.title}: cannot be read: {str(error).partition(chr(10))[0]}") from None

    def _codes(self, batch: pl.DataFrame, codes: dict[str, NDArray[np.int32]], *, counted: bool) -> NDArray[np.int32]:
        """Return the codes of R rows, (R, F + L), from the codes of the sparse fields' columns."""
        code = {name: codes[self.fields.column(name)] for name in self.fields.tables()}
        columns = list(code.values())
        for name, sequence in self.fields.sequences.items():
            values, length_R = in_sequences(batch[self.fields.column(name)])
            code[name] = self.dictionaries[self.fields.column(sequence.table)].codes(values)
            columns += [*padded(code[name], length_R, sequence.length).T]
        if counted:
            for name, counts in self.counts.items():
                counts.add(code[name])
        return np.stack(columns, axis=1) if columns else np.empty((len(batch), 0), np.int32)

    def _check_columns(self, columns: list[str], source: Source) -> None:
        """Raise DataError if a declared column is missing; record the columns that are not declared."""
        for name in self.fields.columns():
            if name not in columns:
                hint = nearest(name, columns)
                raise DataError(f"{self._named([source])}: no column {name!r}; {hint}it has {', '.join(columns)}")
        self.ignored = [name for name in columns if name not in self.fields.columns()]


def in_sequences(column: pl.Series) -> tuple[pl.Series, NDArray[np.int64]]:
    """Return the values of R sequences, one after the other, and how many each has, (R,); empty values are left out."""
    values = column.cast(pl.String).str.split(SEPARATOR).list.eval(pl.element().filter(pl.element() != ""))
    return values.explode().drop_nulls(), values.list.len().fill_null(0).cast(pl.Int64).to_numpy()


def padded(flat_V: NDArray[np.int32], length_R: NDArray[np.int64], width: int) -> NDArray[np.int32]:
    """Return the last `width` values of each of R sequences, (R, width), with PADDING before shorter ones.

    Args:
        flat_V: The values of all sequences, one after the other.
        length_R: How many each has.
        width: The number kept.
    """
    padded_RL = np.full((len(length_R), width), PADDING, np.int32)
    row_V = np.repeat(np.arange(len(length_R)), length_R)
    start_R = np.cumsum(length_R) - length_R
    column_V = np.arange(len(flat_V)) - np.repeat(start_R, length_R) + np.repeat(width - length_R, length_R)
    kept_V = column_V >= 0
    padded_RL[row_V[kept_V], column_V[kept_V]] = flat_V[kept_V]
    return padded_RL
