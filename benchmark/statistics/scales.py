"""Working scales, on which the noise of a search is steadier over budgets than in natural units, and the way back."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """The working scale of a metric: ln LogLoss, ln(LogLoss - floor) or ln(1 - AUC); lower is better on all three.

    Raises ValueError if an AUC has a floor.
    """

    metric: Literal["auc", "logloss"]
    floor: float = 0.0  # least possible LogLoss where it is known, such as a Bayes bound

    def __post_init__(self) -> None:
        if self.metric == "auc" and self.floor:
            raise ValueError(f"the scale of AUC has no floor, got {self.floor}; use a floor with LogLoss only")

    def working(self, values: ArrayLike) -> Array:
        """Return metrics of any shape on the working scale; nan stays nan. Raises ValueError if a logarithm does not exist."""
        value = np.asarray(values, float)
        distance = 1 - value if self.metric == "auc" else value - self.floor
        outside = value[distance <= 0]
        if outside.size:
            bound = "1 (AUC)" if self.metric == "auc" else f"the floor {self.floor} (LogLoss)"
            raise ValueError(f"{outside.size} values reach or pass {bound}, such as {outside.flat[0]}: no logarithm")
        return np.asarray(np.log(distance))

    def block(self, finals: ArrayLike) -> float:
        """Return a block's result: the mean of its final runs (S,) on the working scale, without the failed ones (nan).

        It is nan, a missing block, if no run finished.
        """
        finished = self.working(finals)
        finished = finished[~np.isnan(finished)]
        return float(finished.mean()) if finished.size else math.nan

    def natural(self, y: float) -> float:
        """Return the metric at y."""
        return 1 - math.exp(y) if self.metric == "auc" else self.floor + math.exp(y)

    def half(self, y: float, half: float) -> float:
        """Return a half-width at y in natural units: the derivative, exp(y) on every scale, times `half`.

        For the difference of two results, y is their mean.
        """
        return math.exp(y) * half

    def rows(self, covariance: ArrayLike, values: ArrayLike) -> Array:
        """Return the covariance (n, n) of metrics (n,) on the working scale (delta method)."""
        slope = np.exp(self.working(values))
        return np.asarray(covariance, float) / np.outer(slope, slope)
