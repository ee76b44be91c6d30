"""The first pass over the raw rows: check the cells, number the distinct texts, count them, write the numbers.

Of each part it leaves label.npy (R,) float32, dense.npy (R, N) float64 as read with NaN for missing, sparse.npy
(R, F + L) int32 dictionary codes and, where there is a group column, group.npy (R,) int32 codes. L is the length of all
sequence fields together; a sequence shorter than its field is padded at the front with PADDING.
"""

import difflib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from datamodules.base.arrays import ArrayWriter
from datamodules.base.dictionary import Counts, Dictionary
from datamodules.base.errors import DataError
from datamodules.base.fields import Fields, Source

PADDING = -1
CELLS_AT_A_TIME = 2_000_000  # of a block of rows in memory
SEPARATOR = "^"  # of the values in a sequence


class Stream:
    """Streams the parts of one data set and remembers its distinct texts, counts, rows and positives."""

    def __init__(self, fields: Fields, title: str):
        self.fields, self.title = fields, title
        self.width = len(fields.sparse) + sum(s.length for s in fields.sequences.values())
        names = [*map(fields.column, fields.sparse), fields.group]
        self.dictionaries = {name: Dictionary() for name in names if name is not None}
        self.counts = {name: Counts() for name in (*fields.sparse, *fields.sequences, "group")}
        self.rows: dict[str, int] = {}
        self.positives: dict[str, int] = {}
        self.ignored: list[str] = []  # columns that are there but not declared

    def write(self, folder: Path, split: str, sources: list[Source], rows: int | None = None) -> None:
        """Write one part, or its first rows. Raises DataError naming place, column, value and what is allowed."""
        fields, positives = self.fields, 0
        with ExitStack() as stack:
            label, dense, sparse, group = (
                stack.enter_context(ArrayWriter(folder / f"{name}.npy", dtype, *shape))
                for name, dtype, shape in (
                    ("label", np.float32, ()),
                    ("dense", np.float64, (len(fields.dense),)),
                    ("sparse", np.int32, (self.width,)),
                    ("group", np.int32, ()),
                )
            )
            for source in sources:
                first = label.rows
                left = None if rows is None else rows - first
                for batch in self._batches(source, left):
                    self._check(batch, source, label.rows - first, split)
                    label_R = batch["label"].to_numpy()
                    positives += int(label_R.sum())
                    label.append(label_R)
                    dense.append(_matrix(batch, "dense", fields.dense))
                    sparse.append(self._codes(batch, weight=int(split == "train")))
                    if fields.group is not None:
                        group.append(batch["group"].to_numpy())
                        self.counts["group"].add(batch["group"].to_numpy())
            self.rows[split], self.positives[split] = label.rows, positives
        if fields.group is None:
            (folder / "group.npy").unlink()
        if not self.rows[split]:
            raise DataError(f"{self._named(sources)}: the {split} part has no rows")
        if positives in (0, self.rows[split]):
            raise DataError(
                f"{self._named(sources)}: the {split} part has one class only "
                f"({positives:,} positives in {self.rows[split]:,} rows); AUC needs both"
            )

    def values(self, field: str) -> pl.Series:
        """The distinct texts of the table of a sparse field, by code."""
        return self.dictionaries[self.fields.column(field)].values(
            max(self.counts[user].n_codes for user in self.users(field))
        )

    def group_ranks(self) -> NDArray[np.int32]:
        """The rank by text, from 1, of each code of the group column; at place -1 that of a missing one, 0."""
        assert self.fields.group is not None  # noqa: S101 (tells mypy)
        values = self.dictionaries[self.fields.group].values(self.counts["group"].n_codes)
        return np.append(values.rank("dense").cast(pl.Int32).to_numpy(), np.int32(0))

    def users(self, field: str) -> list[str]:
        """The fields that read the table of a sparse field: itself and sequences."""
        return [field, *(name for name, sequence in self.fields.sequences.items() if sequence.table == field)]

    def _named(self, sources: list[Source]) -> str:
        file = sources[0].file if sources else None
        return self.title if file is None else str(file.path)

    def _batches(self, source: Source, rows: int | None) -> Iterator[pl.DataFrame]:
        """The rows in blocks: numbers for the label and dense fields, codes for the rest. All, or at most so many."""
        fields = self.fields
        self._check_columns(source)
        text = {name: pl.col(name).cast(pl.String) for name in fields.columns()}
        number = {name: pl.col(name).cast(pl.Float64, strict=False) for name in (fields.label, *fields.dense)}
        query = (source.frame if rows is None else source.frame.head(rows)).select(
            number[fields.label].alias("label"),
            *(_missing_as_nan(number[name]).alias(f"dense {name}") for name in fields.dense),
            *(_unread(number[name], text[name]).alias(f"unread {name}") for name in fields.dense),
            *(self._code(fields.column(name), text).alias(f"sparse {name}") for name in fields.sparse),
            *(self._list(name, text).alias(f"sequence {name}") for name in fields.sequences),
            *([] if fields.group is None else [self._code(fields.group, text).alias("group")]),
        )
        block = max(1, CELLS_AT_A_TIME // (1 + len(fields.dense) + self.width))
        try:
            yield from query.collect_batches(chunk_size=block)
        except (pl.exceptions.PolarsError, OSError) as error:
            if source.file is None:
                raise DataError(f"{self.title}: cannot be read: {str(error).partition(chr(10))[0]}") from None
            raise source.file.unreadable(error) from None

    def _code(self, column: str, text: dict[str, pl.Expr]) -> pl.Expr:
        return self.dictionaries[column].codes(text[column])

    def _list(self, name: str, text: dict[str, pl.Expr]) -> pl.Expr:
        """The values of a sequence as categories of the table's column."""
        dictionary = self.dictionaries[self.fields.column(self.fields.sequences[name].table)]
        values = text[self.fields.column(name)].str.split(SEPARATOR)
        return values.list.eval(pl.element().filter(pl.element() != "")).cast(pl.List(dictionary.dtype))

    def _codes(self, batch: pl.DataFrame, weight: int) -> NDArray[np.int32]:
        """Codes of R rows, (R, F + L); counted on the way, `weight` times."""
        columns = [_matrix(batch, "sparse", self.fields.sparse)]
        for i, name in enumerate(self.fields.sparse):
            self.counts[name].add(columns[0][:, i], weight=weight)
        for name, sequence in self.fields.sequences.items():
            values = batch[f"sequence {name}"]
            flat_V = values.explode().drop_nulls().to_physical().cast(pl.Int32).to_numpy()
            self.counts[name].add(flat_V, weight=weight)
            length_R = values.list.len().fill_null(0).cast(pl.Int64).to_numpy()
            columns.append(_padded(flat_V, length_R, sequence.length))
        return np.hstack(columns) if self.fields.sequences else columns[0]

    def _check(self, batch: pl.DataFrame, source: Source, first: int, split: str) -> None:
        """Raise DataError for a label that is not 0 or 1 and for a dense value that is no finite number."""
        for column, bad, allowed in (
            (self.fields.label, ~batch["label"].is_in([0.0, 1.0]).fill_null(False), "0 and 1"),
            *((name, batch[f"unread {name}"], "finite numbers") for name in self.fields.dense),
        ):
            if bad.any():
                row = first + bad.arg_max()  # type: ignore[operator]  # there is one
                value = source.frame.select(column).slice(row, 1).collect().item()
                place = source.where(row, self.title, split)
                raise DataError(f"{place}: {column} is {value!r}; allowed are {allowed}")

    def _check_columns(self, source: Source) -> None:
        """Raise DataError for a declared column that is not there; remember those that were not declared."""
        there = source.frame.collect_schema().names()
        for name in self.fields.columns():
            if name not in there:
                written = {other.lower(): other for other in there}
                near = difflib.get_close_matches(name.lower(), written, n=1)
                hint = f"did you mean {written[near[0]]!r}? " if near else ""
                raise DataError(f"{self._named([source])}: no column {name!r}; {hint}it has {', '.join(there)}")
        self.ignored = [name for name in there if name not in self.fields.columns()]


def _matrix(batch: pl.DataFrame, kind: str, names: tuple[str, ...]) -> NDArray[Any]:
    """The columns of R rows, (R, N), also where N is 0."""
    return batch.select(f"{kind} {name}" for name in names).to_numpy().reshape(len(batch), len(names))


def _missing_as_nan(number: pl.Expr) -> pl.Expr:
    return number.fill_null(float("nan"))


def _unread(number: pl.Expr, text: pl.Expr) -> pl.Expr:
    """Whether a cell is neither empty nor a finite number nor NaN."""
    return number.is_infinite().fill_null(text.fill_null("") != "")


def _padded(flat_V: NDArray[np.int32], length_R: NDArray[np.int64], width: int) -> NDArray[np.int32]:
    """The last `width` values of each of R sequences, (R, width), PADDING before shorter ones."""
    padded_RL = np.full((len(length_R), width), PADDING, np.int32)
    row_V = np.repeat(np.arange(len(length_R)), length_R)
    start_R = np.cumsum(length_R) - length_R
    place_V = np.arange(len(flat_V)) - np.repeat(start_R, length_R) + np.repeat(width - length_R, length_R)
    shown_V = place_V >= 0
    padded_RL[row_V[shown_V], place_V[shown_V]] = flat_V[shown_V]
    return padded_RL
