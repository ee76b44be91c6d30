"""Arrays on disk: .npy files written, read and changed in blocks of rows, with one block in memory at a time."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

ROWS_AT_A_TIME = 16_384  # a block stays in the processor's cache


class ArrayWriter:
    """Appends rows to a .npy file; the row count is written into the header on exit (numpy leaves room for it).

    Args:
        path: The file to write.
        dtype: Type of the cells.
        row_shape: Shape of one row, () for a scalar.
    """

    def __init__(self, path: Path, dtype: DTypeLike, *row_shape: int):
        self._file = path.open("w+b")
        self.dtype, self.row_shape, self.rows = np.dtype(dtype), row_shape, 0
        self._write_header()

    def append(self, rows: NDArray[Any]) -> None:
        """Append rows, (R, *row_shape)."""
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


def read_blocks(path: Path) -> Iterator[NDArray[Any]]:
    """Yield the array of a .npy file in blocks of rows."""
    with path.open("rb") as file:
        for block, _ in _blocks(file):
            yield block


def rewrite(path: Path, change: Callable[[NDArray[Any]], None]) -> None:
    """Apply `change` in place to each block of a .npy file."""
    with path.open("r+b") as file:
        for block, offset in _blocks(file):
            change(block)
            file.seek(offset)
            file.write(block.data)


def _blocks(file: BinaryIO) -> Iterator[tuple[NDArray[Any], int]]:
    np.lib.format.read_magic(file)
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    for start in range(0, shape[0], ROWS_AT_A_TIME):
        offset, rows = file.tell(), min(ROWS_AT_A_TIME, shape[0] - start)
        yield np.fromfile(file, dtype, rows * math.prod(shape[1:])).reshape(rows, *shape[1:]), offset
