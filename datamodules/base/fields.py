"""What a data set declares about its columns, and where the rows of a part come from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from datamodules.base.delimited import Delimited
from datamodules.base.vectors import Vectors

Encoding = Literal["bars", "clean"]

ROWS_AT_A_TIME = 50_000  # of a frame


@dataclass(frozen=True)
class Derived:
    """A sparse field that is computed from the distinct values of a column; null where a value is not allowed."""

    column: str
    compute: Callable[[pl.Expr], pl.Expr]  # of non-missing texts
    allowed: str  # said when a value is not


@dataclass(frozen=True)
class Sequence:
    """A field of several values in one cell, joined by '^', oldest first; it reads the table of another field."""

    length: int  # the last so many values are kept
    table: str  # the sparse field whose table it shares
    column: str | None = None  # if not of the field's own name


@dataclass(frozen=True)
class Frozen:
    """A sparse field whose table is read from a file (`vectors.py`) and not trained."""

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
    frozen: dict[str, Vectors] = field(default_factory=dict)  # further sparse fields, behind those that are trained
    fill: dict[str, str] = field(default_factory=dict)  # `bars`: the value that stands for a missing one, if not ""
    group: str | None = None  # the column whose values part the rows for gAUC
    encoding: Encoding = "clean"
    min_count: int = 1  # a value seen fewer times in the train part is rare

    def column(self, name: str) -> str:
        """The column that a field is read from."""
        if name in self.sequences:
            return self.sequences[name].column or name
        given = self.derived.get(name) or self.frozen.get(name)
        return given.column if given else name

    def tables(self) -> list[str]:
        """The fields that have a table, trained ones first."""
        return [*self.sparse, *self.frozen]

    def columns(self) -> list[str]:
        """All columns that are read, each once."""
        names = [self.label, *self.dense, *map(self.column, (*self.tables(), *self.sequences)), self.group]
        return list(dict.fromkeys(name for name in names if name is not None))


@dataclass(frozen=True)
class Source:
    """Consecutive rows of a part: a run of the rows of a text file, or all rows of a frame."""

    table: Delimited | pl.LazyFrame
    first: int = 0  # row of the file
    rows: int | None = None  # of the file, at most; all that follow if not given
    clean: Callable[[pl.DataFrame], pl.DataFrame] | None = None  # what becomes of a block of the file's rows

    def batches(self, rows: int | None = None) -> Iterator[pl.DataFrame]:
        """The rows, or the first so many of them, in blocks. Raises DataError or, of a frame, polars' own errors."""
        if isinstance(self.table, pl.LazyFrame):
            frame = self.table if rows is None else self.table.head(rows)
            yield from frame.collect_batches(chunk_size=ROWS_AT_A_TIME)
            return
        limits = [limit for limit in (self.rows, rows) if limit is not None]
        for batch in self.table.batches(self.first, min(limits, default=None)):
            yield batch if self.clean is None else self.clean(batch)

    def where(self, row: int, title: str, split: str) -> str:
        """The place of row `row`, from 0, as a person finds it."""
        if isinstance(self.table, pl.LazyFrame):
            return f"{title}, row {row + 1} of the {split} part"
        return f"{self.table.path}, line {self.table.line(self.first + row)}"


Part = pl.DataFrame | pl.LazyFrame | Source | list[Source]


def sources(part: Part) -> list[Source]:
    """The part as the sources that it consists of."""
    if isinstance(part, list):
        return part
    return [part if isinstance(part, Source) else Source(part.lazy())]
