"""Expected quality as a function of the number of trials."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def expected_best(scores: ArrayLike, lower_is_better: bool = True) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the expected best of n trials and its standard deviation for n = 1 ... N, both (N,), from N scores (N,).

    E[max] = sum_i v_(i) ((i / N)^n - ((i - 1) / N)^n) over the sorted scores (Dodge et al. 2019, arXiv 1909.03004): trials
    are drawn with replacement from the empirical distribution, i.e. treated as independent.
    """
    sign = -1.0 if lower_is_better else 1.0
    value = np.sort(sign * np.asarray(scores, float))
    n_trials = len(value)
    if n_trials == 0:
        return np.empty(0), np.empty(0)
    n = np.arange(1, n_trials + 1)[:, None]
    reached = (np.arange(n_trials + 1) / n_trials) ** n  # P(best of n <= v_(i)), from i = 0
    weight = np.diff(reached, axis=1)
    mean = weight @ value
    variance = (weight * (value - mean[:, None]) ** 2).sum(axis=1)
    return sign * mean, np.sqrt(variance)


def expected_best_of(scores: ArrayLike, n: float, lower_is_better: bool = True) -> float:
    """Return the expected best of n different ones of N scores (N,), over all subsets; between whole n it is interpolated.

    E[max] = sum_i v_(i) C(i - 1, n - 1) / C(N, n) over the sorted scores. Raises ValueError unless 1 <= n <= N.

    Args:
        scores: of the trials.
        n: how many are taken.
        lower_is_better: which of the taken ones is best.
    """
    sign = -1.0 if lower_is_better else 1.0
    value = np.sort(sign * np.asarray(scores, float)).tolist()
    if not 1 <= n <= len(value):
        raise ValueError(f"cannot take {n:g} of {len(value)} scores")
    below, share = int(n), n - int(n)
    best = [
        sum(v * math.comb(i, k - 1) for i, v in enumerate(value)) / math.comb(len(value), k) if weight else 0.0
        for k, weight in ((below, 1 - share), (below + 1, share))
    ]
    return sign * ((1 - share) * best[0] + share * best[1])
