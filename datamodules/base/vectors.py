"""Frozen vectors: one vector per value of a field, in an HDF5 file as shipped by RecZoo.

The file has the data sets `key` (V,), numbers or texts, and `value` (V, W), the vector of each key. As in FuxiCTR, the
table is not trained and a value without a vector gets zeros. A value with a vector keeps it even if it does not occur in
the train part, since a vector reveals no label. FuxiCTR's table also has rows for keys that occur in no part; here they are
left out.
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
    """The file with the vectors of a column's values."""

    column: str
    path: Path

    def write(self, table: Path, values: pl.Series, first: int) -> NDArray[np.int32]:
        """Write the table as .npy, (rows, W) float32: `first` rows of zeros, then the vectors in file order.

        Returns the ids of the C values, (C,) int32, 0 for a value without a vector. Memory holds the keys and one block of
        the file. Raises DataError for a malformed file.

        Args:
            table: The .npy file to write.
            values: The C distinct values as texts.
            first: Rows of zeros, which is the id of the first value with a vector.
        """
        with self._opened() as (key, vector):
            keys = _texts(key)
            if (repeated := keys.filter(keys.is_duplicated())).len():
                raise DataError(f"{self.path}: key {repeated[0]!r} occurs more than once")
            codes = pl.DataFrame({"value": values}).with_row_index("code")
            matches = pl.DataFrame({"value": keys}).with_row_index("row").join(codes, on="value").sort("row")
            id_C = np.zeros(len(values), np.int32)
            id_C[matches["code"].to_numpy()] = np.arange(first, first + len(matches))
            file_row = matches["row"].to_numpy()
            with ArrayWriter(table, np.float32, vector.shape[1]) as rows:
                rows.append(np.zeros((first, vector.shape[1]), np.float32))
                for start in range(0, len(vector), ROWS_AT_A_TIME):
                    low, high = np.searchsorted(file_row, (start, start + ROWS_AT_A_TIME))
                    block = vector[start : start + ROWS_AT_A_TIME][file_row[low:high] - start]
                    finite = np.isfinite(block).all(1)
                    if not finite.all():
                        key_text = matches["value"][int(low + finite.argmin())]
                        raise DataError(f"{self.path}: the vector of key {key_text!r} has numbers that are not finite")
                    rows.append(block)
        return id_C

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        """Open the file and yield its data sets `key` and `value`, whose shapes are checked."""
        try:
            with _h5py(self.path).File(self.path, "r") as file:
                for name, dimensions in (("key", 1), ("value", 2)):
                    if name not in file:
                        raise DataError(f"{self.path}: no data set {name!r}; it has {', '.join(file) or 'none'}")
                    if file[name].ndim != dimensions:
                        raise DataError(f"{self.path}: {name} has {file[name].ndim} dimensions; expected {dimensions}")
                if len(file["key"]) != len(file["value"]):
                    raise DataError(f"{self.path}: {len(file['key']):,} keys but {len(file['value']):,} vectors")
                yield file["key"], file["value"]
        except OSError as error:  # not an HDF5 file, or a truncated one
            raise DataError(f"{self.path}: cannot be read: {error}") from None


def write_vectors(path: Path, key_V: NDArray[Any], value_VW: NDArray[Any]) -> None:
    """Write an HDF5 file of vectors.

    Args:
        path: The file.
        key_V: The V keys, numbers or texts.
        value_VW: Their vectors.
    """
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
