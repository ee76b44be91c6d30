"""Scales of dense fields and row weights, fitted to the train part and applied to any rows.

Dense fields under `clean`: sign(x) log(1 + |x|), standardised; a missing value becomes 0, and a field with missing values
in the train part gets a second column that flags them. Under `bars`: the value unchanged, a missing one as 0. Weights are
divided by their mean over the train part.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datamodules.base.arrays import ArrayWriter, read_blocks
from datamodules.base.fields import Encoding, Fields


@dataclass(frozen=True)
class Scale:
    """Scaling of a dense field, (x - mean) / deviation, and whether a column flags its missing values."""

    mean: float = 0.0
    deviation: float = 1.0
    flagged: bool = False


def fit_scales(folder: Path, fields: Fields) -> list[Scale]:
    """Return the scale of each dense field, fitted to the unscaled values of the train part in the folder."""
    moments = [Moments() for _ in fields.dense]
    if fields.encoding == "bars":
        return [Scale() for _ in fields.dense]
    rows = 0
    for block in read_blocks(folder / "dense.npy"):
        rows += len(block)
        for moment, x in zip(moments, _logarithm(block).T, strict=True):
            moment.add(x[~np.isnan(x)])
    return [Scale(m.mean, math.sqrt(m.squares / m.n) if m.n and m.squares else 1.0, m.n < rows) for m in moments]


@dataclass
class Moments:
    """Count, mean and sum of squared deviations of a stream of blocks (Chan's update)."""

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, x: NDArray[np.float64]) -> None:
        """Add a block of values, (R,)."""
        if len(x):
            shift = float(x.mean()) - self.mean
            self.squares += float(x.var()) * len(x) + shift**2 * self.n * len(x) / (self.n + len(x))
            self.mean += shift * len(x) / (self.n + len(x))
            self.n += len(x)


def _logarithm(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sign(x) * np.log(1 + np.abs(x))


def scaled(x_RN: NDArray[np.float64], scales: list[Scale], encoding: Encoding) -> NDArray[np.float32]:
    """Return the dense columns of R rows, with those that flag missing values.

    Args:
        x_RN: Values of the N dense fields, NaN if missing.
        scales: Of the fields.
        encoding: The rule set.
    """
    columns = []
    for i, scale in enumerate(scales):
        x = x_RN[:, i] if encoding == "bars" else (_logarithm(x_RN[:, i]) - scale.mean) / scale.deviation
        missing = np.isnan(x)
        columns.append(np.where(missing, 0.0, x))
        if scale.flagged:
            columns.append(missing)
    if not columns:
        return np.empty((len(x_RN), 0), np.float32)
    return np.stack(columns, axis=1, dtype=np.float32, casting="same_kind")  # three times as fast as stack, then astype


def scale_dense(folder: Path, scales: list[Scale], fields: Fields) -> None:
    """Scale the dense values of a part in place.

    Args:
        folder: of the part.
        scales: of the dense fields.
        fields: which encoding they have.
    """
    with ArrayWriter(folder / "scaled.npy", np.float32, sum(1 + s.flagged for s in scales)) as dense:
        for block in read_blocks(folder / "dense.npy"):
            dense.append(scaled(block, scales, fields.encoding))
    (folder / "scaled.npy").replace(folder / "dense.npy")


def scale_weights(folder: Path, mean: float) -> None:
    """Divide the weights of a part by the train part's mean weight, in place."""
    with ArrayWriter(folder / "scaled.npy", np.float32) as weight:
        for block in read_blocks(folder / "weight.npy"):
            weight.append(block / mean)
    (folder / "scaled.npy").replace(folder / "weight.npy")
