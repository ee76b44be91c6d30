"""The rows at the start of some bytes, by the rules of Python's csv module in its strict form.

`regular` is fast and knows only tables in which each quote opens a cell, closes one, or is one of a pair inside a quoted
cell. `read` is the csv module itself: it also knows quotes inside unquoted cells, and it names what is wrong with a row.
"""

import csv
import io
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

QUOTE, LINE_FEED, RETURN = b'"\n\r'
REASONS = {
    "unexpected end of data": "a quote is opened and never closed",
    "expected after": "text after a closing quote",
}


class Dialect(NamedTuple):
    """How the cells of a table are separated, and how many a row has."""

    separator: str
    quoted: bool  # '"' encloses cells
    width: int


class Fault(ValueError):
    """A row cannot be read."""

    def __init__(self, line: int, text: str, cell: int | None = None):
        super().__init__(text)
        self.line, self.cell = line, cell  # from 1; the first line is the first that was given


class Rows(NamedTuple):
    """The rows of the csv module."""

    cells: list[list[str]]
    size: int  # bytes that they take


def regular(data: bytes, dialect: Dialect, *, is_last: bool) -> tuple[int, int] | None:
    """Return the number of whole rows at the start of the data and their size in bytes; None if they need `read`.

    Args:
        data: bytes that begin with a row.
        dialect: of the table.
        is_last: whether the table ends with the data.
    """
    if dialect.width == 1:  # an empty line may be a row or not
        return None
    byte_S = np.frombuffer(data, np.uint8)
    separator = ord(dialect.separator)
    special_S = (byte_S == separator) | (byte_S == LINE_FEED)
    if dialect.quoted:
        special_S |= byte_S == QUOTE
    place_P = np.flatnonzero(special_S)
    byte_P = byte_S[place_P]
    is_quote_P = (byte_P == QUOTE) if dialect.quoted else np.zeros(len(byte_P), bool)
    counts_P = ~(is_quote_P | np.logical_xor.accumulate(is_quote_P))  # separates cells or rows
    end_P, place_P = byte_P[counts_P] == LINE_FEED, place_P[counts_P]
    quote_Q = np.flatnonzero(byte_S == QUOTE) if is_quote_P.any() else place_P[:0]
    if is_last and not data.endswith(b"\n"):
        place_P, end_P = np.append(place_P, len(data)), np.append(end_P, True)
    if not end_P.any():
        return None if is_last else (0, 0)
    n_places = len(end_P) - int(end_P[::-1].argmax())
    size = min(int(place_P[n_places - 1]) + 1, len(data))
    n_rows, left_over = divmod(n_places, dialect.width)
    if left_over or (is_last and size < len(data)):
        return None
    end_RW = end_P[:n_places].reshape(n_rows, dialect.width)
    if end_RW[:, :-1].any() or not end_RW[:, -1].all():
        return None
    if data.count(b"\r", 0, size) != data.count(b"\r\n", 0, size):
        return None
    quote_Q = quote_Q[: np.searchsorted(quote_Q, size)]
    opening, closing = quote_Q[::2], quote_Q[1::2]
    before, after = byte_S[opening - 1], byte_S[np.minimum(closing + 1, size - 1)]
    opens = (before == separator) | (before == LINE_FEED) | (before == QUOTE) | (opening == 0)
    closes = (after == separator) | (after == LINE_FEED) | (after == QUOTE) | (after == RETURN) | (closing + 1 == size)
    return (n_rows, size) if opens.all() and closes.all() else None


def read(data: bytes, dialect: Dialect, *, is_last: bool) -> Rows:
    """Return the rows at the start of the data as the csv module reads them. Raises Fault.

    Args:
        data: bytes in UTF-8 that begin with a row.
        dialect: of the table.
        is_last: whether the table ends with the data; if not, a row that may go on is left out.
    """
    lines = io.StringIO((data if is_last else data[: data.rfind(b"\n") + 1]).decode(), newline="")
    cells: list[list[str]] = []
    row: list[str] = []  # its lines
    size = 0

    def fed() -> Iterator[str]:
        for line in lines:
            row.append(line)
            yield line

    reader = csv.reader(fed(), **options(dialect.separator, quoted=dialect.quoted))
    while True:
        row.clear()
        try:
            row_cells = next(reader, None)
        except csv.Error as error:
            if not is_last and str(error) == "unexpected end of data":
                return Rows(cells, size)
            first = reader.line_num - len(row) + 1
            raise _fault(error, row, dialect.separator, first) from None
        if row_cells is None:
            return Rows(cells, size)
        if len(row_cells) != dialect.width:
            raise Fault(reader.line_num, f"{len(row_cells)} cells where the table has {dialect.width} columns")
        cells.append(row_cells)
        size += sum(len(line.encode()) for line in row)


def options(separator: str, *, quoted: bool) -> dict[str, Any]:
    """Return the options of a csv reader that refuses what it cannot read for certain."""
    return {"delimiter": separator, "quoting": csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE, "strict": True}


def _fault(error: csv.Error, row: list[str], separator: str, first: int) -> Fault:
    """Return the fault that stopped the csv module in a row, with the number of the cell.

    Args:
        error: of the csv module.
        row: the lines of the row that it read.
        separator: between cells.
        first: number of the row's first line.
    """
    reason = next((text for sign, text in REASONS.items() if sign in str(error)), str(error))
    whole = re.compile(rf'(?:"(?:[^"]|"")*"|(?!")[^{re.escape(separator)}\r\n]*){re.escape(separator)}')
    text, number, end = "".join(row), 1, 0
    while match := whole.match(text, end):
        number, end = number + 1, match.end()
    line = first + text.count("\n", 0, end)
    return Fault(line, f"{reason}, {text[end : end + 40].partition(chr(10))[0]!r}", number)
