"""Expected quality as a function of the number of trials."""

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
