"""Tables, independent of the format they are written in."""

from dataclasses import dataclass
from typing import Literal

HOLE = "—"
Value = str | float | int | None
Mark = Literal["", "best", "second"]


@dataclass(frozen=True)
class Cell:
    """The text shown, and the value behind it for CSV and sorting."""

    text: str
    value: Value = None
    mark: Mark = ""
    letters: str = ""  # models that share one cannot be told apart
    half: float | None = None  # half-width of the value's interval
    ends: tuple[float | None, float | None, bool, bool] | None = None  # low, high; whether each is open


@dataclass(frozen=True)
class Column:
    """A column's name and layout; numeric columns are right-aligned."""

    name: str
    numeric: bool = True
    narrow: bool = True  # also shown on a narrow terminal


@dataclass(frozen=True)
class Table:
    """Rows of cells under named columns, with a legend."""

    name: str  # in file names
    title: str
    subject: str  # data set and protocol
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    legend: str = ""
    groups: bool = False  # draw a rule where the first column changes

    @property
    def heading(self) -> str:
        """Return title and subject."""
        return f"{self.title}: {self.subject}"
