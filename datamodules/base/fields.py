"""What a data set declares about its columns, and the sources of a part's rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from datamodules.base.delimited import Delimited
from datamodules.base.vectors import Vectors

Encoding = Literal["bars", "clean"]

ROWS_AT_A_TIME = 50_000  # per block of a frame


@dataclass(frozen=True)
class Derived:
    """A sparse field computed from the distinct values of a column."""

    column: str
    compute: Callable[[pl.Expr], pl.Expr]  # from non-missing texts; null refuses the value
    expected: str  # completes "expected ..." in the message for a refused value


@dataclass(frozen=True)
class Sequence:
    """A field with several values per cell, joined by '^', oldest first; it shares the table of another field."""

    length: int  # the number of last values that are kept
    table: str  # the sparse field whose table it shares
    column: str | None = None  # if its name is not the field's


@dataclass(frozen=True)
class Frozen:
    """A sparse field whose table is read from a file (`vectors.py`) and is not trained."""

    column: str
    file: str


@dataclass(frozen=True)
class Fields:
    """The columns of a data set and how they are encoded."""

    label: str = "label"
    dense: tuple[str, ...] = ()
    sparse: tuple[str, ...] = ()
    sequences: dict[str, Sequence] = field(default_factory=dict)
    derived: dict[str, Derived] = field(default_factory=dict)
    frozen: dict[str, Vectors] = field(default_factory=dict)  # sparse fields after the trained ones
    fill: dict[str, str] = field(default_factory=dict)  # `bars`: the value that replaces a missing one, if not ""
    group: str | None = None  # the column that groups rows for gAUC
    weight: str | None = None  # the column that weighs rows in the loss and in all metrics
    encoding: Encoding = "clean"
    min_count: int = 1  # values seen fewer times in the train part are rare

    def column(self, name: str) -> str:
        """Return the column that a field is read from."""
        if name in self.sequences:
            return self.sequences[name].column or name
        declared = self.derived.get(name) or self.frozen.get(name)
        return declared.column if declared else name

    def tables(self) -> list[str]:
        """Return the fields that have a table, trained ones first."""
        return [*self.sparse, *self.frozen]

    def columns(self) -> list[str]:
        """Return all columns that are read, without repeats."""
        names = [self.label, *self.dense, *map(self.column, (*self.tables(), *self.sequences)), self.group, self.weight]
        return list(dict.fromkeys(name for name in names if name is not None))


@dataclass(frozen=True)
class Source:
    """Consecutive rows of a part: a range of rows of a text file, or all rows of a frame, which may be made when it is read."""

    table: Delimited | pl.LazyFrame | Callable[[], pl.DataFrame]
    first: int = 0  # first row, for a file
    rows: int | None = None  # for a file, at most; None for all that follow
    clean: Callable[[pl.DataFrame], pl.DataFrame] | None = None  # for a file, applied to each block

    def batches(self, rows: int | None = None) -> Iterator[pl.DataFrame]:
        """Yield the first `rows` rows, or all, in blocks. Raises DataError or, for a frame, polars' own errors."""
        if not isinstance(self.table, Delimited):
            frame = self.table if isinstance(self.table, pl.LazyFrame) else self.table().lazy()
            yield from (frame if rows is None else frame.head(rows)).collect_batches(chunk_size=ROWS_AT_A_TIME)
            return
        limits = [limit for limit in (self.rows, rows) if limit is not None]
        for batch in self.table.batches(self.first, min(limits, default=None)):
            yield batch if self.clean is None else self.clean(batch)

    def where(self, row: int, title: str, split: str) -> str:
        """Return the place of a row for an error message.

        Args:
            row: Row of this source, from 0.
            title: Name of the data set, for a frame.
            split: Name of the part, for a frame.
        """
        if not isinstance(self.table, Delimited):
            return f"{title}, row {row + 1} of the {split} part"
        return f"{self.table.path}, line {self.table.line(self.first + row)}"


Part = pl.DataFrame | pl.LazyFrame | Source | list[Source]


def sources(part: Part) -> list[Source]:
    """Return the part as a list of sources."""
    if isinstance(part, list):
        return part
    return [part if isinstance(part, Source) else Source(part.lazy())]
