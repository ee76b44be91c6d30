"""Text tables, read block by block, with the rows and cells that Python's csv module reads, or refused with the line.

polars parses; what it is given is checked before, since it pads short rows and takes a quote in an unquoted cell for the
start of a quoted one. A file without quotes has a row on each line, and its separators are counted. In a file with quotes,
the quotes of a block are compared with their neighbours: if each opens or closes a cell or is one of a pair, separators and
line ends outside them are counted row by row. A block with any other quote, such as an inch mark, is read by the csv module.
"""

import csv
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from datamodules.base import quotes
from datamodules.base.errors import DataError
from datamodules.base.raw import UNREADABLE, not_text, opened

BLOCK = 1 << 23  # bytes that become one frame
STRETCH = 1 << 16  # bytes counted at a time, to stay in the processor's cache
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class _Block(NamedTuple):
    """Consecutive whole rows of a file."""

    first: int  # rows before it, the header included
    rows: int
    offset: int  # bytes before it
    size: int  # in bytes
    regular: bool  # polars reads it as the csv module does


class _Counts(NamedTuple):
    """What the bytes of a file tell before parsing."""

    separators: int
    lines: int
    special: bool  # has quotes that mean something, or carriage returns that are not part of a line end
    blocks: list[_Block]  # if a line is a row


@dataclass(frozen=True)
class Delimited:
    """A csv or tsv file in UTF-8, plain or gzipped, whatever its name. Byte-order mark and CRLF are allowed."""

    path: Path
    separator: str = ","
    columns: tuple[str, ...] | None = None  # names, for a file without a header
    quoted: bool = True  # '"' encloses cells; otherwise it is an ordinary character

    def read(self) -> pl.DataFrame:
        """Return all columns as text, empty cells as null or "". Raises DataError as `batches` does."""
        return pl.concat(self.batches())

    def batches(self, first: int = 0, rows: int | None = None) -> Iterator[pl.DataFrame]:
        """Yield at most `rows` data rows starting at row `first` (from 0), BLOCK bytes of the file at a time.

        The next block is parsed while the caller works on the current one, so two blocks are in memory. Raises DataError
        for a file without rows, for duplicate column names, for a line with too few or too many cells, and for a quote
        that is not closed or has text after it.
        """
        if not self.rows:
            raise DataError(f"{self.path}: the file has no data rows")
        stop = self.rows if rows is None else min(first + rows, self.rows)
        with ThreadPoolExecutor(1) as background:
            parsed = self._parsed(first, stop)
            ahead = background.submit(next, parsed, None)
            while (frame := ahead.result()) is not None:
                ahead = background.submit(next, parsed, None)
                yield frame

    @cached_property
    def rows(self) -> int:
        """Number of data rows. Raises DataError if the file cannot be read to its end or is no table."""
        return sum(block.rows for block in self._row_blocks) - self._header_lines

    @cached_property
    def header(self) -> list[str]:
        """Column names. Raises DataError if the file is empty or two columns have the same name."""
        if self.columns is not None:
            if not self.path.stat().st_size:
                raise DataError(f"{self.path}: the file is empty")
            return list(self.columns)
        if not self._counts.lines:
            raise DataError(f"{self.path}: the file is empty")
        try:
            names = next(self._rows())[1]
        except csv.Error as error:
            raise DataError(f"{self.path}, line 1: {error}") from None
        if not names:
            raise DataError(f"{self.path}, line 1: is empty; expected the names of the columns")
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise DataError(f"{self.path}, line 1: two columns are named {repeated[0]!r}; names must differ")
        return names

    def line(self, row: int) -> int:
        """Return the line (from 1) on which data row `row` (from 0) ends."""
        unquoted_line = row + 1 + self._header_lines
        if not self._counts.special:
            return unquoted_line
        for number, (line, _) in enumerate(self._rows(), start=1):
            if number == unquoted_line:
                return line
        return unquoted_line

    @property
    def _header_lines(self) -> int:
        return int(self.columns is None)

    @cached_property
    def _dialect(self) -> quotes.Dialect:
        return quotes.Dialect(self.separator, self.quoted, len(self.header))

    @cached_property
    def _counts(self) -> _Counts:
        characters = (self.separator, "\n", '"') if self.quoted else (self.separator, "\n")
        total, size, returns, previous = dict.fromkeys(characters, 0), 0, 0, b""
        blocks: list[_Block] = []
        lines, offset = 0, 0  # before the block that is being gathered
        with ThreadPoolExecutor(pl.thread_pool_size()) as threads:
            for data in self._read():
                for character, n in zip(characters, threads.map(partial(_count, data), characters), strict=True):
                    total[character] += n
                if b"\r" in data or previous == b"\r":
                    returns += data.count(b"\r") - data.count(b"\r\n") - (previous == b"\r" and data[:1] == b"\n")
                if b"\n" in data:
                    end = size + data.rfind(b"\n") + 1
                    blocks.append(_Block(lines, total["\n"] - lines, offset, end - offset, True))
                    lines, offset = total["\n"], end
                size, previous = size + len(data), data[-1:]
        if offset < size:
            blocks.append(_Block(lines, 1, offset, size - offset, True))
            lines += 1
        return _Counts(total[self.separator], lines, bool(returns or total.get('"')), blocks)

    @cached_property
    def _row_blocks(self) -> list[_Block]:
        """The rows of the file in blocks. Raises DataError naming the first line that is no row of the table."""
        counts, width = self._counts, len(self.header)
        if counts.special or width == 1 or counts.separators != counts.lines * (width - 1):
            return list(self._found_blocks())
        return counts.blocks

    def _found_blocks(self) -> Iterator[_Block]:
        """Yield the same by looking at each row."""
        rows, lines, offset, data = 0, 0, 0, b""
        blocks = self._read()
        ahead = next(blocks, None)
        while ahead is not None or data:
            data, ahead = (data + ahead, next(blocks, None)) if ahead is not None else (data, None)
            start = len(BYTE_ORDER_MARK) if not offset and data.startswith(BYTE_ORDER_MARK) else 0
            is_regular = quotes.regular(data[start:], self._dialect, is_last=ahead is None)
            if is_regular is None or (not is_regular[0] and len(data) > BLOCK):
                by_csv = self._by_csv(data[start:], lines, is_last=ahead is None)
                n, size, regular = len(by_csv.cells), by_csv.size, False
            else:
                n, size, regular = *is_regular, True
            if n:
                size += start
                yield _Block(rows, n, offset, size, regular)
                lines += data.count(b"\n", 0, size) + data.count(b"\r", 0, size) - data.count(b"\r\n", 0, size)
                rows, offset, data = rows + n, offset + size, data[size:]

    def _by_csv(self, data: bytes, lines: int, *, is_last: bool) -> quotes.Rows:
        """Return the rows at the start of the data as the csv module reads them. Raises DataError naming the line.

        Args:
            data: bytes that begin with a row.
            lines: before them.
            is_last: whether the file ends with the data.
        """
        try:
            return quotes.read(data, self._dialect, is_last=is_last)
        except quotes.Fault as fault:
            cell = f", cell {fault.cell}" if fault.cell else ""
            raise DataError(f"{self.path}, line {lines + fault.line}{cell}: {fault}") from None
        except UnicodeDecodeError as error:
            raise DataError(not_text(self.path) or f"{self.path}: {error}") from None

    def _read(self) -> Iterator[bytes]:
        """Yield the bytes of the file, BLOCK at a time."""
        try:
            with opened(self.path) as file:
                while data := file.read(BLOCK):
                    yield data
        except UNREADABLE as error:
            raise DataError(f"{self.path}: cannot be read to its end: {error}") from None

    def _parsed(self, first: int, stop: int) -> Iterator[pl.DataFrame]:
        """Yield rows `first` to `stop`, one frame per block that holds any of them."""
        first, stop = first + self._header_lines, stop + self._header_lines
        with opened(self.path) as file:
            for block in self._row_blocks:
                if block.first + block.rows <= first or block.first >= stop:
                    continue
                file.seek(block.offset)
                frame = self._parse(file.read(block.size), block)
                start = block.first + block.rows - len(frame)  # without the header
                yield frame[max(first - start, 0) : stop - start]

    def _parse(self, data: bytes, block: _Block) -> pl.DataFrame:
        """Return the rows of a block. Raises DataError if they are not as many as were counted."""
        has_header = not block.first and self.columns is None
        if not block.regular or (block.offset and data.startswith(BYTE_ORDER_MARK)):
            text = data.removeprefix(BYTE_ORDER_MARK) if not block.offset else data
            cells = self._by_csv(text, 0, is_last=True).cells
            frame = pl.DataFrame(cells[has_header:], dict.fromkeys(self.header, pl.String), orient="row")
        else:
            frame = self._by_polars(data, has_header=has_header)
        if len(frame) != block.rows - has_header:
            counts = f"{len(frame):,} rows were read where {block.rows - has_header:,} were counted, after row {block.first:,}"
            raise DataError(f"{self.path}: {counts}; the file has changed, or the reader is at fault")
        return frame

    def _by_polars(self, data: bytes, *, has_header: bool) -> pl.DataFrame:
        try:
            return pl.read_csv(
                data,
                separator=self.separator,
                has_header=has_header,
                schema=dict.fromkeys(self.header, pl.String),
                quote_char='"' if self.quoted else None,
            )
        except pl.exceptions.PolarsError as error:
            for _ in self._found_blocks():  # raises DataError naming the first row of the wrong width
                pass
            reason = f"{self.path}: not a readable table: {str(error).partition(chr(10))[0]}"
            raise DataError(not_text(self.path) or reason) from None

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the last line and the cells of each row, as Python's csv module reads them; slow."""
        with opened(self.path) as file, io.TextIOWrapper(file, "utf-8-sig", "replace", newline="") as text:
            reader = csv.reader(text, **quotes.options(self.separator, quoted=self.quoted))
            for cells in reader:
                yield reader.line_num, cells


def _count(block: bytes, character: str) -> int:
    """Count an ASCII character in the block; several times faster than bytes.count if it is frequent."""
    byte_S, wanted = np.frombuffer(block, np.uint8), ord(character)
    return sum(int(np.count_nonzero(byte_S[i : i + STRETCH] == wanted)) for i in range(0, len(byte_S), STRETCH))
