"""Batches as slices of encoded arrays: one gather a batch, no Python for each row."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor, Tensor]  # dense_BN float32, sparse_BF int32, label_B float32


class Batches:
    """Iterates over one part of a data set, kept as a memory map on the CPU or whole on another device.

    With a seed, the rows come in an order drawn anew for each epoch from (seed, epoch); without, in file order. The last
    batch may be smaller.
    """

    def __init__(self, folder: Path, batch_size: int, *, seed: int | None = None, device: str | torch.device = "cpu"):
        self.arrays = [
            torch.from_numpy(np.load(folder / f"{name}.npy", mmap_mode="c")).to(device)
            for name in ("dense", "sparse", "label")
        ]
        self.batch_size, self.seed, self.epoch = batch_size, seed, 0
        self.rows = len(self.arrays[-1])

    def __len__(self) -> int:
        return math.ceil(self.rows / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        if self.seed is None:
            for start in range(0, self.rows, self.batch_size):
                dense, sparse, label = (array[start : start + self.batch_size] for array in self.arrays)
                yield dense, sparse, label
            return
        generator = torch.Generator().manual_seed((self.seed << 20) + self.epoch)
        self.epoch += 1
        order = torch.randperm(self.rows, generator=generator).to(self.arrays[0].device)
        for start in range(0, self.rows, self.batch_size):
            row_B = order[start : start + self.batch_size].sort().values  # sorted: the memory map is read forwards
            dense, sparse, label = (array.index_select(0, row_B) for array in self.arrays)
            yield dense, sparse, label
