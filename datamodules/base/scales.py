"""The scale of dense fields: fitted to the train part, applied to any rows."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datamodules.base.arrays import read_blocks
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
