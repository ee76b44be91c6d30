"""Tables as lazy frames that are read block by block, and a bounded sample of their rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from datamodules.base.delimited import Delimited
from datamodules.base.errors import DataError
from datamodules.base.raw import UNREADABLE, opened
from datamodules.own.paths import suffix

SEPARATORS = (",", "\t", ";", "|")
STRETCHES, STRETCH_ROWS = 10, 10_000  # of a sample
ROW = "\x00row"  # a name that no column has


@dataclass(frozen=True)
class Table:
    """Tables of one kind, one after the other; cells of text tables are texts.

    Its properties raise DataError if a file cannot be read or has other columns than the first.
    """

    paths: tuple[Path, ...]
    separator: str | None = None  # between the cells of text tables; None: guessed from the first line

    @property
    def is_text(self) -> bool:
        """Whether all cells are texts."""
        return suffix(self.paths[0]) != ".parquet"

    @cached_property
    def frame(self) -> pl.LazyFrame:
        """All rows, read block by block."""
        frames = [_text(path, self.separator) if self.is_text else _parquet(path) for path in self.paths]
        first = frames[0].collect_schema()
        for path, frame in zip(self.paths[1:], frames[1:], strict=True):
            if differing := set(frame.collect_schema().items()) ^ set(first.items()):
                other = min(name for name, _ in differing)
                raise DataError(
                    f"{path}: column {other!r} is not as in {self.paths[0]}; all files need the same columns"
                )
        return pl.concat(frames)

    @cached_property
    def rows(self) -> int:
        """The number of rows."""
        return int(collected(self.frame.select(pl.len())).item())

    def sample(self) -> pl.DataFrame:
        """Return all rows of a small table, else STRETCHES of STRETCH_ROWS rows spread evenly over it."""
        if self.rows <= STRETCHES * STRETCH_ROWS:
            return collected(self.frame)
        starts = [i * (self.rows - STRETCH_ROWS) // (STRETCHES - 1) for i in range(STRETCHES)]
        if self.is_text:  # one pass, as a text cannot be entered in its middle
            number = self.frame.with_row_index(ROW)
            within = pl.any_horizontal(pl.col(ROW).is_between(start, start + STRETCH_ROWS - 1) for start in starts)
            return collected(number.filter(within).drop(ROW))
        return pl.concat([collected(self.frame.slice(start, STRETCH_ROWS)) for start in starts])


def collected(frame: pl.LazyFrame) -> pl.DataFrame:
    """Return a frame's rows, read as a stream. Raises DataError if they cannot be read."""
    try:
        return frame.collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"the rows cannot be read: {str(error).partition(chr(10))[0]}") from None


def _parquet(path: Path) -> pl.LazyFrame:
    try:
        frame = pl.scan_parquet(path)
        frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: is no Parquet file: {str(error).partition(chr(10))[0]}") from None
    return frame


def _text(path: Path, separator: str | None) -> pl.LazyFrame:
    table = Delimited(path, separator or _guessed(path))

    def rows(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        """Yield blocks as polars asks for them; `batch_size` is a wish."""
        del batch_size
        for block in table.batches(0, n_rows):
            chosen = block if with_columns is None else block.select(with_columns)
            yield chosen if predicate is None else chosen.filter(predicate)

    return register_io_source(rows, schema=dict.fromkeys(table.header, pl.String))


def _guessed(path: Path) -> str:
    """Return the separator that is most frequent in the first line."""
    try:
        with opened(path) as file:
            line = file.readline(1 << 20).decode("utf-8", "replace")
    except UNREADABLE as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    return max(SEPARATORS, key=line.count)
