"""Totals of training compute: how they are split between train rows and FLOPs per example, and the batches of a split."""

from collections.abc import Iterable
from itertools import product
from math import log2, sqrt
from typing import NamedTuple

import datamodules


class Split(NamedTuple):
    """One way to spend a total of training compute: train rows times training FLOPs per example."""

    law: str  # the data set that has any number of rows
    total: float  # training GFLOP of one run
    budget: float  # training MFLOP per example
    rows: int

    @property
    def dataset(self) -> str:
        """Return the name of the data set with these rows."""
        return datamodules.of_rows(self.law, self.rows)


def splits(
    laws: Iterable[str], totals: Iterable[float], budgets: Iterable[float], limits: tuple[int, int]
) -> list[Split]:
    """Return all ways to spend each total in one pass.

    Args:
        laws: data sets that have any number of rows.
        totals: training GFLOP of one run.
        budgets: training MFLOP per example.
        limits: fewest and most train rows of a split.
    """
    every = [Split(*way, round(1e3 * way[1] / way[2])) for way in product(laws, totals, budgets)]
    return [split for split in every if limits[0] <= split.rows <= limits[1]]


def grown(batch_size: int, times: float) -> int:
    """Return the power of two nearest to the batch size for `times` as many rows: it grows with their square root.

    So does the largest batch that costs no quality, about, with the data and hardly with the model (Zhang et al. 2024,
    arXiv 2410.21676, for language models). The number of steps and the rows of a step then both grow with the data.
    """
    return 1 << max(0, round(log2(batch_size * sqrt(times))))
