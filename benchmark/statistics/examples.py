"""Metrics on a finite test part, and how much they owe to the rows that are in it: DeLong's AUC, and LogLoss."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sampled:
    """A metric of k runs on the same N test rows; sums of products of `influence` are covariances by rows."""

    values: Array  # (k,)
    influence: Array  # (k, N), centred; nan where a class has a single row

    @property
    def covariance(self) -> Array:
        """Return the covariance of the values (k, k) over samples of test rows."""
        return self.influence @ self.influence.T


def auc(labels: ArrayLike, scores: ArrayLike) -> Sampled:
    """Return AUCs with DeLong's covariance (DeLong et al. 1988, Biometrics 44, 837-845); ties count one half.

    Labels (N,) are 0 or 1, scores (N,) or (k, N). Uses midranks, O(k N log N) (Sun and Xu 2014, IEEE SPL 21, 1389-1393).
    Raises ValueError if a class is missing or shapes disagree.
    """
    from scipy import stats  # takes half a second, and few reports need it

    positive, score = _checked(labels, scores)
    n_pos, n_neg = int(positive.sum()), int((~positive).sum())
    overall = stats.rankdata(score, axis=1)
    # V10, the share of negatives below each positive, and V01, the share of positives above each negative
    above = (overall[:, positive] - stats.rankdata(score[:, positive], axis=1)) / n_neg
    below = 1 - (overall[:, ~positive] - stats.rankdata(score[:, ~positive], axis=1)) / n_pos
    influence = np.empty_like(score)
    influence[:, positive], influence[:, ~positive] = _scaled(above), _scaled(below)
    return Sampled(above.mean(axis=1), influence)


def logloss(labels: ArrayLike, logits: ArrayLike) -> Sampled:
    """Return the mean LogLoss of labels (N,) and logits (N,) or (k, N). Raises ValueError like `auc`."""
    positive, logit = _checked(labels, logits)
    loss = np.logaddexp(0, np.where(positive, -logit, logit))
    return Sampled(loss.mean(axis=1), _scaled(loss))


def _scaled(components: Array) -> Array:
    """Return centred components (k, n), whose sums of products are the covariances of their means; nan for n = 1."""
    n = components.shape[1]
    return (components - components.mean(1, keepdims=True)) / (math.sqrt(n * (n - 1)) if n > 1 else math.nan)


def _checked(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], Array]:
    """Return the mask of positives (N,) and the scores (k, N). Raises ValueError if either is invalid."""
    label, score = np.asarray(labels), np.atleast_2d(np.asarray(scores, float))
    if score.shape[1] != len(label):
        raise ValueError(f"{score.shape[1]} scores for {len(label)} labels; each label needs one score")
    if not np.isin(label, (0, 1)).all():
        raise ValueError(f"invalid labels {np.unique(label)[:5].tolist()}; use 0 and 1")
    if not np.isfinite(score).all():
        raise ValueError(f"{int((~np.isfinite(score)).sum())} scores are nan or infinite")
    positive = label.astype(bool)
    if positive.all() or not positive.any():
        raise ValueError(f"all {len(label)} labels are {int(positive.any())}; both classes are required")
    return positive, score
