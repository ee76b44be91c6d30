"""Arrays on disk: .npy files written row block by row block, and opened as memory maps."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

ROWS_AT_A_TIME = 16_384  # of a pass over a memory map: a block stays in the cache


class ArrayWriter:
    """Appends rows to a .npy file, whose header gets its row count at the end (numpy leaves room for it)."""

    def __init__(self, path: Path, dtype: DTypeLike, *row_shape: int):
        self._file = path.open("w+b")
        self.dtype, self.row_shape, self.rows = np.dtype(dtype), row_shape, 0
        self._write_header()

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows of the declared shape."""
        self._file.write(np.ascontiguousarray(rows, self.dtype).data)
        self.rows += len(rows)

    def _write_header(self) -> None:
        header = {
            "descr": np.lib.format.dtype_to_descr(self.dtype),
            "fortran_order": False,
            "shape": (self.rows, *self.row_shape),
        }
        self._file.seek(0)
        np.lib.format.write_array_header_1_0(self._file, header)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            if kind is None:
                self._write_header()


def blocks(rows: int) -> list[slice]:
    """Consecutive slices that cover the rows."""
    return [slice(start, start + ROWS_AT_A_TIME) for start in range(0, rows, ROWS_AT_A_TIME)]
