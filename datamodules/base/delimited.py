"""Text tables, read block by block; if one is malformed, the line of the first fault is located."""

import csv
import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import numpy as np
import polars as pl

from datamodules.base.errors import DataError

BLOCK = 1 << 23  # bytes that become one frame
STRETCH = 1 << 16  # bytes counted at a time, to stay in the processor's cache


class _Counts(NamedTuple):
    """What the bytes of a file tell before parsing."""

    separators: int
    lines: int
    quotes: int  # 0 where they have no meaning
    starts: list[tuple[int, int]]  # (lines before it, offset) of the last line that begins in each block


@dataclass(frozen=True)
class Delimited:
    """A csv or tsv file in UTF-8, plain or gzipped. Byte-order mark and CRLF are allowed."""

    path: Path
    separator: str = ","
    columns: tuple[str, ...] | None = None  # names, for a file without a header
    quoted: bool = True  # '"' encloses cells; otherwise it is an ordinary character

    def read(self) -> pl.DataFrame:
        """Return all columns as text, empty cells as null. Raises DataError as `batches` does."""
        return pl.concat(self.batches())

    def batches(self, first: int = 0, rows: int | None = None) -> Iterator[pl.DataFrame]:
        """Yield at most `rows` data rows starting at row `first` (from 0), BLOCK bytes of the file at a time.

        The next block is parsed while the caller works on the current one, so two blocks are in memory. Raises DataError
        for a file without rows, for duplicate column names, and for a line with too few or too many cells, which polars
        would pad or reject without naming the line.
        """
        self._check_width()
        stop = self.rows if rows is None else min(first + rows, self.rows)
        with ThreadPoolExecutor(1) as background:
            parsed = self._parsed(first, stop)
            ahead = background.submit(next, parsed, None)
            while (frame := ahead.result()) is not None:
                ahead = background.submit(next, parsed, None)
                yield frame

    @cached_property
    def rows(self) -> int:
        """Number of data rows. Raises DataError if the file cannot be read to its end."""
        if not self._counts.quotes:
            return self._counts.lines - self._header_lines
        blocks = enumerate(self._whole_lines())  # parse: a quoted cell may contain line ends
        return sum(len(self._parse(block, at_start=not i)) for i, block in blocks)

    @cached_property
    def header(self) -> list[str]:
        """Column names. Raises DataError if the file is empty or two columns have the same name."""
        if self.columns is not None:
            if not self.path.stat().st_size:
                raise DataError(f"{self.path}: the file is empty")
            return list(self.columns)
        names = next(self._rows(), (0, None))[1]
        if not names:
            raise DataError(f"{self.path}: the file is empty")
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise DataError(f"{self.path}, line 1: two columns are named {repeated[0]!r}; names must differ")
        return names

    def line(self, row: int) -> int:
        """Return the line (from 1) on which data row `row` (from 0) ends."""
        unquoted_line = row + 1 + self._header_lines
        if not self._counts.quotes:
            return unquoted_line
        for number, (line, _) in enumerate(self._rows(), start=1):
            if number == unquoted_line:
                return line
        return unquoted_line

    def fault(self) -> str | None:
        """Return the first fault that makes the file unreadable as a table, with its line; None if there is none."""
        try:
            with self._open() as file:
                offset = 0
                for number, line in enumerate(file, start=1):
                    try:
                        line.decode()
                    except UnicodeDecodeError as error:
                        byte, position = line[error.start], offset + error.start
                        return f"{self.path}, line {number}: byte 0x{byte:02x} at offset {position:,} is not UTF-8"
                    offset += len(line)
        except (OSError, EOFError) as error:  # e.g. a truncated gzip file
            return f"{self.path}: cannot be read to its end: {error}"
        width = None if self.columns is None else len(self.columns)
        line_number = 0
        try:
            for line_number, cells in self._rows():
                width = len(cells) if width is None else width
                if len(cells) != width:
                    return f"{self.path}, line {line_number}: {len(cells)} cells where the table has {width} columns"
        except csv.Error as error:
            return f"{self.path}, after line {line_number}: {error}"
        return None

    def _check_width(self) -> None:
        """Raise DataError if the number of separators is wrong and quoted cells do not explain it."""
        if not self.rows:
            raise DataError(f"{self.path}: the file has no data rows")
        lines = self.rows + self._header_lines
        if self._counts.separators != lines * (len(self.header) - 1) and (fault := self.fault()):
            raise DataError(fault)

    @property
    def _header_lines(self) -> int:
        return int(self.columns is None)

    @cached_property
    def _counts(self) -> _Counts:
        characters = (self.separator, "\n", '"') if self.quoted else (self.separator, "\n")
        total, offset = dict.fromkeys(characters, 0), 0
        starts = [(0, 0)]
        block = b"\n"
        with ThreadPoolExecutor(pl.thread_pool_size()) as threads:
            for block in self._blocks():
                for character, n in zip(characters, threads.map(partial(_count, block), characters), strict=True):
                    total[character] += n
                if b"\n" in block:
                    starts.append((total["\n"], offset + block.rfind(b"\n") + 1))
                offset += len(block)
        lines = total["\n"] + (not block.endswith(b"\n"))
        return _Counts(total[self.separator], lines, total.get('"', 0), starts)

    def _open(self) -> BinaryIO:
        return cast(BinaryIO, gzip.open(self.path)) if self.path.suffix == ".gz" else self.path.open("rb")

    def _blocks(self, offset: int = 0) -> Iterator[bytes]:
        """Yield the bytes of the file from an offset on."""
        try:
            with self._open() as file:
                file.seek(offset)
                while block := file.read(BLOCK):
                    yield block
        except (OSError, EOFError) as error:  # e.g. a truncated gzip file
            raise DataError(f"{self.path}: cannot be read to its end: {error}") from None

    def _whole_lines(self, offset: int = 0) -> Iterator[bytes]:
        """Yield the same in blocks that end at a line end outside quotes, so that each can be parsed by itself."""
        rest = b""
        for block in self._blocks(offset):
            end = block.rfind(b"\n") + 1
            while end and self._counts.quotes and (rest.count(b'"') + block.count(b'"', 0, end)) % 2:
                end = block.rfind(b"\n", 0, end - 1) + 1
            if end:
                yield b"".join((rest, memoryview(block)[:end]))
                rest = block[end:]
            else:
                rest += block
        if rest:
            yield rest

    def _parsed(self, first: int, stop: int) -> Iterator[pl.DataFrame]:
        """Yield rows `first` to `stop`, one frame per block that holds any of them."""
        line, offset = 0, 0
        if not self._counts.quotes:  # then a line is a row
            line, offset = max(start for start in self._counts.starts if start[0] <= first + self._header_lines)
        row = line - self._header_lines * (offset > 0)
        for i, block in enumerate(self._whole_lines(offset)):
            frame = self._parse(block, at_start=not offset and not i)
            if row + len(frame) > first:
                yield frame[max(first - row, 0) : stop - row]
            row += len(frame)
            if row >= stop:
                return

    def _parse(self, block: bytes, *, at_start: bool) -> pl.DataFrame:
        try:
            return pl.read_csv(
                block,
                separator=self.separator,
                has_header=at_start and self.columns is None,
                schema=dict.fromkeys(self.header, pl.String),
                quote_char='"' if self.quoted else None,
            )
        except pl.exceptions.PolarsError as error:
            reason = f"{self.path}: not a readable table: {str(error).partition(chr(10))[0]}"
            raise DataError(self.fault() or reason) from None

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield line number and cells of each row, using Python's csv reader; slow."""
        with self._open() as file:
            text = (line.decode("utf-8-sig" if i == 0 else "utf-8", "replace") for i, line in enumerate(file))
            reader = csv.reader(
                text,
                delimiter=self.separator,
                quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
                strict=True,
            )
            for cells in reader:
                yield reader.line_num, cells


def _count(block: bytes, character: str) -> int:
    """Count an ASCII character in the block; several times faster than bytes.count if it is frequent."""
    byte_S, wanted = np.frombuffer(block, np.uint8), ord(character)
    return sum(int(np.count_nonzero(byte_S[i : i + STRETCH] == wanted)) for i in range(0, len(byte_S), STRETCH))
