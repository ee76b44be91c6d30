"""What every table is made of, whatever format it is written in."""

from dataclasses import dataclass
from typing import Literal

HOLE = "—"
Value = str | float | int | None
Mark = Literal["", "best", "second"]


@dataclass(frozen=True)
class Cell:
    """What is shown, and the value behind it for CSV and sorting."""

    text: str
    value: Value = None
    mark: Mark = ""
    letters: str = ""  # models that share one cannot be told apart
    half: float | None = None  # of the value's interval


@dataclass(frozen=True)
class Column:
    """A column's heading; numbers stand to the right."""

    name: str
    numeric: bool = True
    narrow: bool = True  # also shown on a narrow terminal


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns, a legend below."""

    name: str  # in file names
    title: str
    subject: str  # data set and protocol
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    legend: str = ""
    groups: bool = False  # a rule where the first column changes

    @property
    def heading(self) -> str:
        """What is tabulated, and of what."""
        return f"{self.title}: {self.subject}"
