"""Cells of raw rows as numbers: labels, dense values, weights."""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from datamodules.base.errors import DataError
from datamodules.base.fields import Fields

Array = NDArray[np.float64]


def labelled(
    batch: pl.DataFrame, fields: Fields, place: Callable[[int], str], first: int
) -> tuple[Array, Array, Array]:
    """Return labels (R,), dense fields (R, N), nan if missing, and weights (R, 0 or 1), of R rows.

    Raises DataError for a label that is not 0 or 1, a dense value that is not a finite number and a weight that is not a
    finite number from 0.

    Args:
        batch: the rows.
        fields: of the data set.
        place: describes a row, counted from 0, in an error message.
        first: rows before the batch.
    """
    label_R1 = _numbers(batch, [fields.label], place, first, "0 or 1", lambda x: (x == 0) | (x == 1))
    weights = [fields.weight] if fields.weight else []
    weight_RN = _numbers(batch, weights, place, first, "a finite number from 0", lambda x: (x >= 0) & (x < np.inf))
    return label_R1[:, 0], numbers(batch, fields.dense, place, first), weight_RN


def numbers(batch: pl.DataFrame, names: Sequence[str], place: Callable[[int], str], first: int) -> Array:
    """Return columns of R rows as numbers, (R, len(names)), nan if missing.

    Raises DataError for a value that is not a finite number. A column of numbers may hold nan for a missing value; as a text
    it is refused.

    Args:
        batch: the rows.
        names: of the columns.
        place: describes a row, counted from 0, in an error message.
        first: rows before the batch.
    """
    expected = "a finite number, or an empty cell if it is missing"
    return _numbers(batch, names, place, first, expected, lambda x: ~np.isinf(x))


def _numbers(
    batch: pl.DataFrame,
    names: Sequence[str],
    place: Callable[[int], str],
    first: int,
    expected: str,
    allowed: Callable[[Array], NDArray[np.bool_]],
) -> Array:
    columns = batch.select(pl.col(name).cast(pl.Float64, strict=False).alias(str(i)) for i, name in enumerate(names))
    x_RN = columns.to_numpy() if names else np.empty((len(batch), 0))
    for i, name in enumerate(names):
        bad_R = ~allowed(x_RN[:, i])
        if not batch[name].dtype.is_float():
            bad_R |= columns[str(i)].is_nan().fill_null(False).to_numpy()
        # empty quoted cells, or cells that are not numbers
        if columns[str(i)].null_count() > batch[name].null_count():
            unread = columns[str(i)].is_null() & (batch[name].cast(pl.String) != "").fill_null(False)
            bad_R |= unread.to_numpy()
        if bad_R.any():
            row = int(bad_R.argmax())
            raise DataError(f"{place(first + row)}: {name} is {batch[name][row]!r}; expected {expected}")
    return x_RN
