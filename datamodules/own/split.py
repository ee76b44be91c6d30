"""Makes train, validation and test parts of a user's rows: as given, by time, or at random."""

import numpy as np
import polars as pl

from datamodules.base.encode import SPLITS
from datamodules.base.errors import DataError
from datamodules.own.declaration import Declaration
from datamodules.own.paths import PARTS
from datamodules.own.prepare import cleaned, moment
from datamodules.own.scan import ROW, collected

PART = "\x00part"  # a name that no column has


def parts(frame: pl.LazyFrame, declaration: Declaration) -> dict[str, pl.LazyFrame]:
    """Return the rows of each part in file order. Raises DataError if a part cannot be told or has no rows.

    Args:
        frame: raw rows.
        declaration: of the data set.
    """
    if declaration.split:
        named = _named(frame, declaration.split)
    elif declaration.time:
        named = _by_time(frame, declaration, declaration.time)
    else:
        named = _at_random(frame, declaration)
    return {part: named.filter(pl.col(PART) == i).drop(PART) for i, part in enumerate(SPLITS)}


def _named(frame: pl.LazyFrame, column: str) -> pl.LazyFrame:
    _required(frame, column, "split")
    names = pl.col(column).cast(pl.String)
    values = collected(frame.select(names.unique()))[column].to_list()
    unknown = [value for value in values if value not in PARTS]
    if unknown or {PARTS[value] for value in values} != set(SPLITS):
        named = ", ".join(repr(value) for value in sorted(map(str, values))[:6])
        raise DataError(f"split column {column!r} has {named}; expected train, valid and test in every row")
    number = {name: SPLITS.index(part) for name, part in PARTS.items()}
    return frame.with_columns(names.replace_strict(number, return_dtype=pl.Int8).alias(PART))


def _by_time(frame: pl.LazyFrame, declaration: Declaration, column: str) -> pl.LazyFrame:
    """Mark the rows up to the boundaries; rows of equal time belong to the same part, the earlier one."""
    _required(frame, column, "time")
    when = time_of(frame, declaration)
    times = collected(cleaned(frame, declaration.missing).select(when.alias(PART)))[PART]
    if empty := times.null_count():
        raise DataError(f"time column {column!r} has {empty:,} empty cells of {len(times):,}; each row needs a time")
    ordered, total = times.sort(), sum(declaration.shares)
    ends = [declaration.shares[0], declaration.shares[0] + declaration.shares[1]]
    last_train, last_valid = (ordered[max(0, len(ordered) * end // total - 1)] for end in ends)
    if not last_train < last_valid < ordered[-1]:
        raise DataError(
            f"time column {column!r} has too few distinct times ({times.n_unique():,}) to split by; "
            f"one part would be empty. Leave out time, or give a split column"
        )
    number = pl.when(when <= last_train).then(0).when(when <= last_valid).then(1).otherwise(2)
    # the texts of missing cells are no times, and there are none
    return frame.with_columns(number.cast(pl.Int8).alias(PART))


def time_of(frame: pl.LazyFrame, declaration: Declaration) -> pl.Expr:
    """Return the time column as something that can be ordered: numbers, dates or times. Raises DataError if it is text."""
    assert declaration.time is not None  # noqa: S101 (tells mypy)
    dtype = frame.collect_schema()[declaration.time]
    declared = declaration.columns.get(declaration.time)
    if dtype == pl.String and (declared is None or not declared.format):
        return pl.col(declaration.time).cast(pl.Float64)
    return (
        pl.col(declaration.time)
        if dtype.is_numeric()
        else moment(declaration.time, declared.format if declared else None, dtype)
    )


def _at_random(frame: pl.LazyFrame, declaration: Declaration) -> pl.LazyFrame:
    """Mark each row by a hash of its number, so that a part is the same however the rows are read."""
    total = sum(declaration.shares)
    ends = np.cumsum(declaration.shares[:2]) / total

    def marked(row: pl.Series) -> pl.Series:
        return pl.Series(np.searchsorted(ends, uniform(row.to_numpy(), declaration.seed), side="right").astype(np.int8))

    number = pl.col(ROW).map_batches(marked, return_dtype=pl.Int8, is_elementwise=True)
    return frame.with_row_index(ROW).with_columns(number.alias(PART)).drop(ROW)


def uniform(row_R: np.ndarray, seed: int) -> np.ndarray:
    """Return a number in [0, 1) for each row number, by SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), the same everywhere."""
    with np.errstate(over="ignore"):
        z = row_R.astype(np.uint64) + np.uint64(seed) * np.uint64(0xD1342543DE82EF95) + np.uint64(1)
        z *= np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / 2**53


def _required(frame: pl.LazyFrame, column: str, role: str) -> None:
    names = frame.collect_schema().names()
    if column not in names:
        raise DataError(f"no {role} column {column!r}; there are {', '.join(names)}")
