"""Batches as slices of encoded arrays: one gather per batch, no Python per row.

Shuffling: a part of at most WINDOW rows is permuted as a whole. A larger one is cut into blocks of BLOCK consecutive rows;
the blocks are permuted, then the rows within each group of WINDOW / BLOCK blocks. A part larger than memory is thus read in
runs, no permutation of all rows is ever held, and batches still mix rows of different days. The order is drawn from
(seed, epoch) and is the same on every device.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from datamodules.base.arrays import read_blocks
from datamodules.base.errors import DataError

# dense_BN float32, sparse_BF int32, label_B float32; then group_B int32, if rows have groups, and weight_B float32, if weights
Batch = tuple[Tensor, ...]

ROWS_TO_NORMALISE = 2  # the fewest rows that batch norm can train on
WINDOW = 1 << 22  # rows
BLOCK = 1 << 10  # rows
DEVICE_SHARE = 0.5  # of a device's free memory, the most a part may take


class Batches:
    """Iterates over one part of a data set, held whole on the device if it fits, else memory-mapped on the CPU.

    The last batch may be smaller; if it would have fewer than `least` rows, they join the batch before. A part that does not
    fit on the device is yielded on the CPU.

    Args:
        folder: The part's encoded arrays.
        batch_size: Rows per batch.
        seed: Shuffles each epoch by (seed, epoch); None keeps file order.
        device: Where to hold the arrays.
        least: Rows of the smallest batch; models that normalise over the batch need two on each device.
        rows: Only the first rows of the part; None uses all.
        on_batch: Called before each batch, which is when the step before it has ended.
    """

    def __init__(
        self,
        folder: Path,
        batch_size: int,
        *,
        seed: int | None = None,
        device: str | torch.device = "cpu",
        least: int = 1,
        rows: int | None = None,
        on_batch: Callable[[], None] = lambda: None,
    ):
        further = [kind for kind in ("group", "weight") if (folder / f"{kind}.npy").exists()]
        kinds = ["dense", "sparse", "label", *further]
        with damage_of(folder.parent):
            maps = [torch.from_numpy(np.load(folder / f"{kind}.npy", mmap_mode="c")[:rows]) for kind in kinds]
        fits = sum(array.nbytes for array in maps) <= DEVICE_SHARE * _free(torch.device(device))
        self.arrays = [array.to(device) for array in maps] if fits else maps
        self.batch_size, self.seed, self.epoch = batch_size, seed, 0
        self.rows = len(self.arrays[-1])
        self.least, self.on_batch = min(least, batch_size), on_batch

    def __len__(self) -> int:
        whole, rest = divmod(self.rows, self.batch_size)
        return whole if whole and rest < self.least else whole + 1

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._all():
            self.on_batch()
            yield batch

    def _all(self) -> Iterator[Batch]:
        left = len(self)
        if self.seed is None:
            for i in range(left):
                stop = (i + 1) * self.batch_size if i + 1 < left else self.rows
                yield tuple(array[i * self.batch_size : stop] for array in self.arrays)
            return
        generator = torch.Generator().manual_seed((self.seed << 20) + self.epoch)
        self.epoch += 1
        rest = torch.empty(0, dtype=torch.int64, device=self.arrays[0].device)
        for window in self._windows(generator):
            rest = torch.cat([rest, window.to(rest.device)])
            while left > 1 and len(rest) >= self.batch_size:
                yield self._gather(rest[: self.batch_size])
                rest, left = rest[self.batch_size :], left - 1
        yield self._gather(rest)

    def _windows(self, generator: torch.Generator) -> Iterator[Tensor]:
        """Yield the row numbers in the order of the epoch, one window at a time."""
        if self.rows <= WINDOW:
            yield torch.randperm(self.rows, generator=generator)
            return
        block = torch.randperm(math.ceil(self.rows / BLOCK), generator=generator)
        for blocks in block.split(WINDOW // BLOCK):
            row = (blocks.unsqueeze(1) * BLOCK + torch.arange(BLOCK)).flatten()
            row = row[row < self.rows]
            yield row[torch.randperm(len(row), generator=generator)]

    def _gather(self, row_B: Tensor) -> Batch:
        row_B = row_B.sort().values  # read the memory map forwards
        return tuple(array.index_select(0, row_B) for array in self.arrays)


def check_ids(path: Path, limit_F: tuple[int, ...], n_sparse: int) -> None:
    """Raise DataError for an id outside its table, which would read another field's rows or crash a GPU process.

    A file is checked once per process while its modification time stays the same.

    Args:
        path: The encoded sparse.npy of a part.
        limit_F: Rows of each column's table.
        n_sparse: Columns before the sequences; from there on -1 is padding.
    """
    with damage_of(path.parent.parent):
        _check_ids(path, limit_F, n_sparse, path.stat().st_mtime_ns)


@cache
def _check_ids(path: Path, limit_F: tuple[int, ...], n_sparse: int, changed: int) -> None:
    least_F = np.where(np.arange(len(limit_F)) < n_sparse, 0, -1)
    for block in read_blocks(path):
        bad_BF = (block < least_F) | (block >= limit_F)
        if bad_BF.any():
            row, column = np.argwhere(bad_BF)[0]
            raise ValueError(f"id {block[row, column]} in column {column}, whose table has {limit_F[column]:,} rows")


@contextmanager
def damage_of(folder: Path) -> Iterator[None]:
    """Turn an error in reading the files of an encoded data set into a one-line DataError."""
    try:
        yield
    except DataError:
        raise
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{folder}: damaged ({error}); remove the folder and rerun to encode it again") from None


def _free(device: torch.device) -> float:
    """Return the free bytes of a CUDA device; infinity for any other device."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else math.inf
