"""Inference from a finite test part: DeLong's covariance and test of AUCs, LogLoss differences, bootstrap over examples."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Array = NDArray[np.float64]


@dataclass(frozen=True)
class AucTest:
    """AUCs of k models on the same N examples, and their covariance over samples of examples."""

    auc: Array  # (k,)
    covariance: Array  # (k, k)

    def error(self, i: int, j: int | None = None) -> float:
        """Return the standard error of AUC i, or of the difference of AUCs i and j."""
        c = self.covariance
        variance = c[i, i] if j is None else c[i, i] + c[j, j] - 2 * c[i, j]
        return math.sqrt(max(0.0, float(variance)))

    def p(self, i: int, j: int) -> float:
        """Return the two-sided p value for equal AUCs i and j; 1 if both models rank all examples alike."""
        error = self.error(i, j)
        return 2 * float(stats.norm.sf(abs(self.auc[i] - self.auc[j]) / error)) if error > 0 else 1.0


def auc_test(labels: ArrayLike, scores: ArrayLike) -> AucTest:
    """Return AUCs with DeLong's covariance (DeLong et al. 1988, Biometrics 44, 837-845); ties count one half.

    Labels (N,) are 0 or 1, scores (N,) or (k, N). Uses midranks, O(k N log N) (Sun and Xu 2014, IEEE SPL 21, 1389-1393).
    Raises ValueError if a class is missing or shapes disagree.
    """
    positive, score = _checked(labels, scores)
    n_pos, n_neg = int(positive.sum()), int((~positive).sum())
    overall = stats.rankdata(score, axis=1)
    # V10, the share of negatives below each positive, and V01, the share of positives above each negative
    above = (overall[:, positive] - stats.rankdata(score[:, positive], axis=1)) / n_neg
    below = 1 - (overall[:, ~positive] - stats.rankdata(score[:, ~positive], axis=1)) / n_pos
    covariance = _covariance(above) / n_pos + _covariance(below) / n_neg
    return AucTest(above.mean(axis=1), covariance)


def _covariance(components: Array) -> Array:
    """Return the (k, k) covariance of (k, n) components; nan for n = 1, where it cannot be estimated."""
    k, n = components.shape
    return np.atleast_2d(np.cov(components)) if n > 1 else np.full((k, k), math.nan)


def logloss_differences(labels: ArrayLike, logits: ArrayLike) -> tuple[Array, Array]:
    """Return the mean LogLoss of each model (k,) and standard errors (k, k) of the paired differences over examples.

    Labels (N,), logits (N,) or (k, N). The mean of N per-example differences is taken as normal.
    """
    positive, logit = _checked(labels, logits)
    loss = np.logaddexp(0, np.where(positive, -logit, logit))
    n = loss.shape[1]
    covariance = np.atleast_2d(np.cov(loss)) / n
    variance = np.diag(covariance)[:, None] + np.diag(covariance) - 2 * covariance
    return loss.mean(axis=1), np.sqrt(np.maximum(variance, 0))


def bootstrap_error(labels: ArrayLike, logits: ArrayLike, resamples: int = 200, seed: int = 0) -> dict[str, float]:
    """Return bootstrap standard errors {auc, logloss} of one run over its test examples.

    Examples are drawn with replacement, both classes together; with B resamples the standard error has a relative error
    of about 1 / sqrt(2 B) (5 % at 200). The logits are sorted once; each resample is a vector of counts.

    Args:
        labels: (N,), 0 or 1.
        logits: (N,).
        resamples: B.
        seed: of the random draws.
    """
    positive, score = _checked(labels, logits)
    order = np.argsort(score[0], kind="stable")
    positive, logit = positive[order], score[0, order]
    first = np.flatnonzero(np.r_[True, logit[1:] != logit[:-1]])  # start of each run of equal logits
    loss = np.logaddexp(0, np.where(positive, -logit, logit))
    generator = np.random.default_rng(seed)
    n, drawn = len(logit), []
    for _ in range(resamples):
        count = np.bincount(generator.integers(0, n, n), minlength=n).astype(float)
        pos, neg = (np.add.reduceat(count * part, first) for part in (positive, ~positive))
        pairs = pos.sum() * neg.sum()
        if pairs:  # a resample with a single class has no AUC
            drawn.append((float(pos @ (np.cumsum(neg) - neg / 2)) / pairs, float(count @ loss) / n))
    auc, logloss = np.std(drawn, axis=0, ddof=1) if len(drawn) > 1 else (math.nan, math.nan)
    return {"auc": float(auc), "logloss": float(logloss)}


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
