"""Text tables: reading them lazily, and finding the line of a fault once there is one."""

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, cast

import polars as pl

from datamodules.base.errors import DataError

BLOCK = 1 << 22  # bytes


@dataclass(frozen=True)
class Delimited:
    """A csv or tsv file in UTF-8, perhaps gzip'ed. Byte-order mark and CRLF are fine."""

    path: Path
    separator: str = ","
    columns: tuple[str, ...] | None = None  # of a file without a header
    quoted: bool = True  # '"' encloses cells; if not, it is a character like any other

    def scan(self) -> pl.LazyFrame:
        """All columns as text, an empty cell as null.

        Raises DataError for a file without rows, with two columns of one name, or with a line that has too few or too
        many cells, which polars would fill up or refuse without a place.
        """
        self._check_width()
        return self._frame

    @cached_property
    def rows(self) -> int:
        """How many data rows the file has. Raises DataError where it cannot be read to its end."""
        _, lines, quotes = self._counts
        if not quotes:
            return lines - (self.columns is None)
        try:  # a quoted cell may hold line ends
            return sum(map(len, self._frame.select(pl.first()).collect_batches()))
        except pl.exceptions.PolarsError as error:
            raise self.unreadable(error) from None

    def unreadable(self, error: Exception) -> DataError:
        """The error to raise for one of polars: the first fault found, or else what polars says."""
        reason = f"{self.path}: not a readable table: {str(error).partition(chr(10))[0]}"
        return DataError(self.fault() or reason)

    @cached_property
    def _frame(self) -> pl.LazyFrame:
        names = self.header()
        return pl.scan_csv(
            self.path,
            separator=self.separator,
            has_header=self.columns is None,
            new_columns=names,
            quote_char='"' if self.quoted else None,
            infer_schema=False,
            glob=False,
        )

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
        plain = row + 1 + (self.columns is None)
        if not self._counts[2]:
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
        lines = self.rows + (self.columns is None)
        if self._counts[0] != lines * (len(self.header()) - 1) and (fault := self.fault()):
            raise DataError(fault)

    @cached_property
    def _counts(self) -> tuple[int, int, int]:
        """How many separators, lines and, where they have a meaning, quotes the file has."""
        separators = line_ends = quotes = 0
        block = b"\n"
        try:
            for block in self._blocks():
                separators += block.count(self.separator.encode())
                line_ends += block.count(b"\n")
                quotes += block.count(b'"')
        except (OSError, EOFError) as error:  # of a gzip file cut short, say
            raise DataError(f"{self.path}: cannot be read to its end: {error}") from None
        return separators, line_ends + (not block.endswith(b"\n")), quotes * self.quoted

    def _open(self) -> BinaryIO:
        return cast(BinaryIO, gzip.open(self.path)) if self.path.suffix == ".gz" else self.path.open("rb")

    def _blocks(self) -> Iterator[bytes]:
        with self._open() as file:
            while block := file.read(BLOCK):
                yield block

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
