"""What a data set declares about its columns, and where the rows of a part come from."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from datamodules.base.delimited import Delimited

Encoding = Literal["bars", "clean"]


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


@dataclass(frozen=True)
class Fields:
    """The columns of a data set and how they are encoded."""

    label: str = "label"
    dense: tuple[str, ...] = ()
    sparse: tuple[str, ...] = ()
    sequences: dict[str, Sequence] = field(default_factory=dict)
    derived: dict[str, Derived] = field(default_factory=dict)
    fill: dict[str, str] = field(default_factory=dict)  # `bars`: the value that stands for a missing one, if not ""
    group: str | None = None  # the column whose values part the rows for gAUC
    encoding: Encoding = "clean"
    min_count: int = 1  # a value seen fewer times in the train part is rare

    def column(self, name: str) -> str:
        """The column that a field is read from."""
        return self.derived[name].column if name in self.derived else name

    def columns(self) -> list[str]:
        """All columns that are read, each once."""
        names = [self.label, *self.dense, *map(self.column, (*self.sparse, *self.sequences)), self.group]
        return list(dict.fromkeys(name for name in names if name is not None))


@dataclass(frozen=True)
class Source:
    """Consecutive rows of a part: a frame, and the file they stand in where they stand in one."""

    frame: pl.LazyFrame
    file: Delimited | None = None
    skipped: int = 0  # rows of the file before the first

    def where(self, row: int, title: str, split: str) -> str:
        """The place of row `row`, from 0, as a person finds it."""
        if self.file is None:
            return f"{title}, row {row + 1} of the {split} part"
        return f"{self.file.path}, line {self.file.line(self.skipped + row)}"


Part = pl.DataFrame | pl.LazyFrame | Source | list[Source]


def sources(part: Part) -> list[Source]:
    """The part as the sources that it consists of."""
    if isinstance(part, list):
        return part
    return [part if isinstance(part, Source) else Source(part.lazy())]
