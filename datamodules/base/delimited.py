"""Text tables: reading them block by block, and finding the line of a fault once there is one."""

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
STRETCH = 1 << 16  # bytes that stay in the processor's cache while they are counted


class _Counts(NamedTuple):
    """What is known of a file by its bytes."""

    separators: int
    lines: int
    quotes: int  # where they have a meaning
    starts: list[tuple[int, int]]  # of the last line that begins in each block: lines before it, its place


@dataclass(frozen=True)
class Delimited:
    """A csv or tsv file in UTF-8, perhaps gzip'ed. Byte-order mark and CRLF are fine."""

    path: Path
    separator: str = ","
    columns: tuple[str, ...] | None = None  # of a file without a header
    quoted: bool = True  # '"' encloses cells; if not, it is a character like any other

    def read(self) -> pl.DataFrame:
        """All columns as text, an empty cell as null; raises DataError as `batches` does."""
        return pl.concat(self.batches())

    def batches(self, first: int = 0, rows: int | None = None) -> Iterator[pl.DataFrame]:
        """Data rows from row `first`, from 0, on: all, or at most so many, BLOCK bytes of the file at a time.

        The next block is parsed while the caller works on the one before, so memory holds two of them. Raises DataError
        for a file without rows, with two columns of one name, or with a line that has too few or too many cells, which
        polars would fill up or refuse without a place.
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
        """How many data rows the file has. Raises DataError where it cannot be read to its end."""
        if not self._counts.quotes:
            return self._counts.lines - self._header_lines
        blocks = enumerate(self._whole_lines())  # parsed, since a quoted cell may hold line ends
        return sum(len(self._parse(block, at_start=not i)) for i, block in blocks)

    @cached_property
    def header(self) -> list[str]:
        """The column names."""
        if self.columns is not None:
            if not self.path.stat().st_size:
                raise DataError(f"{self.path}: the file is empty")
            return list(self.columns)
        names = next(self._rows(), (0, None))[1]
        if not names:
            raise DataError(f"{self.path}: the file is empty")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DataError(f"{self.path}, line 1: two columns are named {twice[0]!r}; names must differ")
        return names

    def line(self, row: int) -> int:
        """The line, from 1, on which data row `row`, from 0, ends."""
        plain = row + 1 + self._header_lines
        if not self._counts.quotes:
            return plain
        for number, (line, _) in enumerate(self._rows(), start=1):
            if number == plain:
                return line
        return plain

    def fault(self) -> str | None:
        """Where the first thing stands that makes this no table, and what it is; None if there is nothing."""
        try:
            with self._open() as file:
                offset = 0
                for number, line in enumerate(file, start=1):
                    try:
                        line.decode()
                    except UnicodeDecodeError as error:
                        byte, place = line[error.start], offset + error.start
                        return f"{self.path}, line {number}: byte 0x{byte:02x} at offset {place:,} is not UTF-8"
                    offset += len(line)
        except (OSError, EOFError) as error:  # of a gzip file cut short, say
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
        """Raise DataError if the separators do not add up and no quoted cell explains it."""
        if not self.rows:
            raise DataError(f"{self.path}: the file has a header and no rows")
        lines = self.rows + self._header_lines
        if self._counts.separators != lines * (len(self.header) - 1) and (fault := self.fault()):
            raise DataError(fault)

    @property
    def _header_lines(self) -> int:
        return int(self.columns is None)

    @cached_property
    def _counts(self) -> _Counts:
        characters = (self.separator, "\n", '"') if self.quoted else (self.separator, "\n")
        total, place = dict.fromkeys(characters, 0), 0
        starts = [(0, 0)]
        block = b"\n"
        with ThreadPoolExecutor(pl.thread_pool_size()) as threads:
            for block in self._blocks():
                for character, found in zip(characters, threads.map(partial(_count, block), characters), strict=True):
                    total[character] += found
                if b"\n" in block:
                    starts.append((total["\n"], place + block.rfind(b"\n") + 1))
                place += len(block)
        lines = total["\n"] + (not block.endswith(b"\n"))
        return _Counts(total[self.separator], lines, total.get('"', 0), starts)

    def _open(self) -> BinaryIO:
        return cast(BinaryIO, gzip.open(self.path)) if self.path.suffix == ".gz" else self.path.open("rb")

    def _blocks(self, place: int = 0) -> Iterator[bytes]:
        """The bytes of the file from a place on."""
        try:
            with self._open() as file:
                file.seek(place)
                while block := file.read(BLOCK):
                    yield block
        except (OSError, EOFError) as error:  # of a gzip file cut short, say
            raise DataError(f"{self.path}: cannot be read to its end: {error}") from None

    def _whole_lines(self, place: int = 0) -> Iterator[bytes]:
        """The same in blocks that end at a line end outside quotes, where a cell begins and ends as in the whole file."""
        rest = b""
        for block in self._blocks(place):
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
        """Rows `first` to `stop`, a frame for each block that holds some of them."""
        line, place = 0, 0
        if not self._counts.quotes:  # then a line is a row
            line, place = max(start for start in self._counts.starts if start[0] <= first + self._header_lines)
        row = line - self._header_lines * (place > 0)
        for i, block in enumerate(self._whole_lines(place)):
            frame = self._parse(block, at_start=not place and not i)
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
        """Line number and cells of each line, by Python's own reader; slow."""
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
    """How often an ASCII character stands in the block; where it is frequent, some times faster than bytes.count."""
    byte_S, wanted = np.frombuffer(block, np.uint8), ord(character)
    return sum(int(np.count_nonzero(byte_S[i : i + STRETCH] == wanted)) for i in range(0, len(byte_S), STRETCH))
