"""Metrics on the predictions of a split: no sampling, no thresholds, LogLoss summed in float64."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torchmetrics import Metric

from models.base.grouped_auc import grouped_auc
from models.base.weighted import weighted_auc, weighted_means

Floats = NDArray[np.float32]
PIECE = 1 << 16  # rows computed in float64 at a time


class Diverged(ArithmeticError):
    """A loss or a prediction is not finite; the trial fails and is not scored."""


class Predictions(Metric):
    """Collect logits and labels over batches (and processes); `compute` returns all metrics of the suite.

    auc: area under the ROC curve, exact; ties count half. logloss: mean binary cross-entropy in nats.
    normalised_entropy: logloss over the entropy of the split's own positive rate (He et al. 2014).
    calibration: mean predicted probability divided by the positive rate; 1 is calibrated on average.
    gauc: AUC within groups (see `grouped_auc`), if rows have groups and some group has both classes.
    Weights weigh rows in all of them (see `weighted.py`).
    """

    full_state_update = False
    logit_B: list[Tensor] | Tensor
    label_B: list[Tensor] | Tensor
    group_B: list[Tensor] | Tensor
    weight_B: list[Tensor] | Tensor

    def __init__(self) -> None:
        super().__init__()
        for state in ("logit_B", "label_B", "group_B", "weight_B"):
            self.add_state(state, [], dist_reduce_fx="cat")

    def update(
        self, logit_B: Tensor, label_B: Tensor, group_B: Tensor | None = None, weight_B: Tensor | None = None
    ) -> None:
        """Add a batch.

        Args:
            logit_B: logits, float.
            label_B: 0 or 1.
            group_B: integer group of each row; None if rows have no groups.
            weight_B: weight of each row; None if rows have no weights.
        """
        assert isinstance(self.logit_B, list) and isinstance(self.label_B, list)  # noqa: S101 (tells mypy)
        self.logit_B.append(logit_B.float())
        self.label_B.append(label_B.float())
        if group_B is not None:
            assert isinstance(self.group_B, list)  # noqa: S101 (tells mypy)
            self.group_B.append(group_B)
        if weight_B is not None:
            assert isinstance(self.weight_B, list)  # noqa: S101 (tells mypy)
            self.weight_B.append(weight_B)

    def compute(self) -> dict[str, float]:
        """Return the metrics over all batches. Raises Diverged if a logit is not finite, ValueError if a class is missing."""
        logit_B, label_B, group_B, weight_B = (
            _whole(state) for state in (self.logit_B, self.label_B, self.group_B, self.weight_B)
        )
        assert logit_B is not None and label_B is not None  # noqa: S101 (tells mypy)
        # one pass: the float64 sum is finite exactly if all float32 logits are
        if not logit_B.sum(dtype=torch.float64).isfinite():
            n_bad = int((~logit_B.isfinite()).sum())
            raise Diverged(f"{n_bad} of {len(logit_B)} predictions are not finite")
        if weight_B is None:
            rate, (logloss, probability) = label_B.mean(dtype=torch.float64).item(), means(logit_B, label_B)
        else:
            rate, logloss, probability = weighted_means(logit_B, label_B, weight_B)
        if not 0 < rate < 1:
            raise ValueError(f"AUC needs both classes; all {len(label_B)} labels are {rate:.0f}")
        entropy = -rate * math.log(rate) - (1 - rate) * math.log1p(-rate)
        metrics = {
            "auc": auc(logit_B, label_B) if weight_B is None else weighted_auc(logit_B, label_B, weight_B),
            "logloss": logloss,
            "normalised_entropy": logloss / entropy,
            "calibration": probability / rate,
        }
        if group_B is not None and weight_B is None:
            metrics["gauc"] = grouped_auc(logit_B, label_B, group_B)
        elif group_B is not None and weight_B is not None:
            metrics["gauc"] = weighted_auc(logit_B, label_B, weight_B, group_B)
        return {name: value for name, value in metrics.items() if not math.isnan(value)}  # gAUC without any pair


def _whole(state: list[Tensor] | Tensor) -> Tensor | None:
    """Return a state of all batches, None if it is empty; it is a list before a gather over processes, a tensor after it."""
    if not len(state):
        return None
    return torch.cat(state) if isinstance(state, list) else state


def means(logit_B: Tensor, label_B: Tensor) -> tuple[float, float]:
    """Return the mean cross-entropy and the mean click probability in float64, computed in pieces that fit the cache."""
    total_2 = logit_B.new_zeros(2, dtype=torch.float64)
    for pieces in zip(logit_B.split(PIECE), label_B.split(PIECE), strict=True):
        logit_P, label_P = (piece.double() for piece in pieces)
        loss = binary_cross_entropy_with_logits(logit_P, label_P, reduction="sum")
        total_2 += torch.stack([loss, logit_P.sigmoid_().sum()])
    logloss, probability = (total_2 / len(logit_B)).tolist()
    return logloss, probability


def auc(logit_B: Tensor, label_B: Tensor) -> float:
    """Return the exact area under the ROC curve of finite logits and 0/1 labels of both classes; ties count half.

    It is the fraction of pairs with the positive above the negative, counted in integers after one sort. On a CPU NumPy
    selects and sorts several times faster than torch.
    """
    positive_P: Tensor | Floats
    negative_N: Tensor | Floats
    if logit_B.is_cuda:
        positive_P, negative_N = (logit_B[label_B == label].sort().values for label in (1, 0))
        below, not_above = (int(torch.searchsorted(negative_N, positive_P, right=tied).sum()) for tied in (False, True))
    else:
        positive_P, negative_N = (np.sort(logit_B.numpy().compress((label_B == label).numpy())) for label in (1, 0))
        below, not_above = _counted(positive_P, negative_N)
    return (below + not_above) / (2 * len(positive_P) * len(negative_N))


def _counted(positive_P: Floats, negative_N: Floats) -> tuple[int, int]:
    """Return the number of pairs with the negative below the positive, and with it not above; both arrays are sorted."""
    below_P = negative_N.searchsorted(positive_P)
    tied_P = negative_N.take(below_P, mode="clip") == positive_P
    not_above_P = below_P.copy()
    not_above_P[tied_P] = negative_N.searchsorted(positive_P[tied_P], "right")
    return int(below_P.sum()), int(not_above_P.sum())
