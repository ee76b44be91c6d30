import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import log_loss, roc_auc_score

from benchmark.statistics import Sampled, auc, logloss

# Hanley and McNeil 1982 (Radiology 143, 29-36), table 1: ratings 1 to 5 of 109 CT images.
NORMAL, ABNORMAL = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)


def ct_images() -> tuple[np.ndarray, np.ndarray]:
    ratings = [np.repeat(np.arange(1, 6), counts) for counts in (NORMAL, ABNORMAL)]
    return np.repeat([0, 1], [sum(NORMAL), sum(ABNORMAL)]), np.concatenate(ratings)


def drawn(generator, n=400, shift=1.0, noise=0.6):
    """Labels and two models' correlated scores."""
    label = generator.integers(0, 2, n)
    signal = label * shift + generator.normal(size=n)
    return label, signal + generator.normal(0, noise, (2, n))


def error(sampled: Sampled, weights: list[float]) -> float:
    """Return the standard error of a weighted sum of the metrics."""
    return math.sqrt(max(0.0, float(np.array(weights) @ sampled.covariance @ weights)))


def test_the_ct_example_has_its_published_auc_error_and_interval():
    sampled = auc(*ct_images())
    area, deviation = sampled.values[0], error(sampled, [1.0])
    assert area == pytest.approx(0.8932, abs=5e-5)
    assert deviation == pytest.approx(0.0307, abs=5e-5)
    assert (area - 1.959964 * deviation, area + 1.959964 * deviation) == pytest.approx((0.83295, 0.95339), abs=1e-5)


def test_the_covariance_equals_the_naive_one_over_all_pairs_with_ties_counted_half():
    generator = np.random.default_rng(0)
    label = np.r_[np.ones(13, int), np.zeros(17, int)]
    score = generator.integers(0, 6, (3, 30)).astype(float)  # many ties
    pos, neg = score[:, label == 1], score[:, label == 0]
    wins = (pos[:, :, None] > neg[:, None, :]) + 0.5 * (pos[:, :, None] == neg[:, None, :])
    s10, s01 = np.cov(wins.mean(axis=2)), np.cov(wins.mean(axis=1))
    sampled = auc(label, score)
    assert sampled.values == pytest.approx(wins.mean(axis=(1, 2)))
    assert sampled.covariance == pytest.approx(s10 / 13 + s01 / 17)


def test_the_auc_equals_scikit_learns():
    label, score = drawn(np.random.default_rng(1))
    assert auc(label, score).values == pytest.approx([roc_auc_score(label, s) for s in score], abs=1e-12)


def test_delong_intervals_cover_the_known_auc_of_two_normals():
    generator = np.random.default_rng(2)
    truth = stats.norm.cdf(1 / math.sqrt(2))
    hits = 0
    for _ in range(2000):
        score = np.r_[generator.normal(1, 1, 120), generator.normal(0, 1, 180)]
        sampled = auc(np.repeat([1, 0], [120, 180]), score)
        hits += abs(sampled.values[0] - truth) <= 1.96 * error(sampled, [1.0])
    assert 0.93 <= hits / 2000 <= 0.97


def test_delong_rejects_equal_models_in_5_percent_of_samples():
    generator = np.random.default_rng(3)
    rejected = 0
    for _ in range(2000):
        sampled = auc(*drawn(generator))
        rejected += abs(sampled.values[0] - sampled.values[1]) > 1.96 * error(sampled, [1.0, -1.0])
    assert 0.03 <= rejected / 2000 <= 0.07


def test_models_that_rank_alike_cannot_be_told_apart():
    label, score = drawn(np.random.default_rng(4))
    sampled = auc(label, [score[0], np.exp(score[0])])
    assert error(sampled, [1.0, -1.0]) == 0 and sampled.values[0] == sampled.values[1]


def test_logloss_and_the_error_of_its_difference_follow_from_the_per_example_losses():
    label, logit = drawn(np.random.default_rng(5))
    sampled = logloss(label, logit)
    probability = 1 / (1 + np.exp(-logit))
    assert sampled.values == pytest.approx([log_loss(label, p) for p in probability])
    loss = -np.log(np.where(label == 1, probability, 1 - probability))
    assert error(sampled, [1.0, -1.0]) == pytest.approx(stats.sem(loss[0] - loss[1]))


def test_a_class_of_one_row_has_no_covariance():
    sampled = auc([1, 0, 0], [0.3, 0.1, 0.4])
    assert sampled.values[0] == 0.5 and math.isnan(sampled.covariance[0, 0])


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([1, 1, 1], [0.1, 0.2, 0.3], "all 3 labels are 1; both classes"),
        ([0, 2], [0.1, 0.2], r"invalid labels \[0, 2\]; use 0 and 1"),
        ([0, 1], [0.1, math.nan], "1 scores are nan or infinite"),
        ([0, 1], [0.1, 0.2, 0.3], "3 scores for 2 labels"),
    ],
)
def test_invalid_labels_and_scores_raise_an_error_that_names_them(labels, scores, message):
    with pytest.raises(ValueError, match=message):
        auc(labels, scores)
