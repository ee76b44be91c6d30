"""Frozen vectors: a table by value in an HDF5 file, as RecZoo ships them.

The file has the data sets `key` (V,), numbers or texts, and `value` (V, W), numbers: the vector of each key. As in FuxiCTR
the table is not trained, a value without a vector has zeros, and a value of any part that has one keeps it, since a vector
tells nothing of a label. FuxiCTR's table also has the rows of keys that no part holds; here they are left out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from datamodules.base.arrays import ROWS_AT_A_TIME, ArrayWriter
from datamodules.base.errors import DataError


@dataclass(frozen=True)
class Vectors:
    """The vectors of a column's values."""

    column: str
    path: Path

    def write(self, table: Path, values: pl.Series, first: int) -> NDArray[np.int32]:
        """Write the table as .npy, (rows, W) float32: `first` rows of zeros, then those of the values that have a vector.

        Returns the ids of the C values, 0 for one without a vector. Rows come in the order of the file, of which memory
        holds the keys and one block. Raises DataError for a file that is not as it must be.
        """
        with self._opened() as (key, vector):
            keys = _texts(key)
            if (twice := keys.filter(keys.is_duplicated())).len():
                raise DataError(f"{self.path}: key {twice[0]!r} stands there twice")
            known = pl.DataFrame({"value": values}).with_row_index("code")
            there = pl.DataFrame({"value": keys}).with_row_index("place").join(known, on="value").sort("place")
            id_C = np.zeros(len(values), np.int32)
            id_C[there["code"].to_numpy()] = np.arange(first, first + len(there))
            place = there["place"].to_numpy()
            with ArrayWriter(table, np.float32, vector.shape[1]) as rows:
                rows.append(np.zeros((first, vector.shape[1]), np.float32))
                for start in range(0, len(vector), ROWS_AT_A_TIME):
                    low, high = np.searchsorted(place, (start, start + ROWS_AT_A_TIME))
                    block = vector[start : start + ROWS_AT_A_TIME][place[low:high] - start]
                    finite = np.isfinite(block).all(1)
                    if not finite.all():
                        bad = there["value"][int(low + finite.argmin())]
                        raise DataError(f"{self.path}: the vector of key {bad!r} has numbers that are not finite")
                    rows.append(block)
        return id_C

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        """The data sets `key` and `value`."""
        try:
            with _h5py(self.path).File(self.path, "r") as file:
                for name, dimensions in (("key", 1), ("value", 2)):
                    if name not in file:
                        raise DataError(f"{self.path}: no data set {name!r}; it has {', '.join(file) or 'none'}")
                    if file[name].ndim != dimensions:
                        raise DataError(
                            f"{self.path}: {name} has {file[name].ndim} dimensions; it must have {dimensions}"
                        )
                if len(file["key"]) != len(file["value"]):
                    raise DataError(f"{self.path}: {len(file['key']):,} keys and {len(file['value']):,} vectors")
                yield file["key"], file["value"]
        except OSError as error:  # of a file that is none of HDF5's, or is cut short
            raise DataError(f"{self.path}: cannot be read: {error}") from None


def write_vectors(path: Path, key_V: NDArray[Any], value_VW: NDArray[Any]) -> None:
    """Write such a file."""
    with _h5py(path).File(path, "w") as file:
        file["key"], file["value"] = key_V, value_VW


def _texts(key: Any) -> pl.Series:
    return pl.Series(key.asstr()[:].tolist() if key.dtype.kind in "SO" else key[:]).cast(pl.String)


def _h5py(path: Path) -> Any:
    try:
        import h5py
    except ImportError:
        raise DataError(f"{path}: needs the extra [vectors]: pip install 'wukong-bench[vectors]'") from None
    return h5py
