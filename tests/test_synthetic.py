"""The synthetic data set follows its stated law, and its bounds follow from the law."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

import datamodules
from datamodules.synthetic import CLICK_RATE, VARIANCES, Part, Synthetic, logistic_regression


@pytest.fixture(scope="module")
def data() -> Synthetic:
    synthetic = datamodules.load("synthetic")(train_rows=100_000)
    assert isinstance(synthetic, Synthetic)
    return synthetic


@pytest.fixture(scope="module")
def test_part(data: Synthetic) -> Part:
    return data.parts["test"]


def test_the_terms_of_every_planted_order_have_zero_mean_and_unit_variance(test_part: Part) -> None:
    assert set(test_part.term_R) == set(VARIANCES)
    for order, term_RK in test_part.term_R.items():
        assert term_RK.shape[1] >= 1
        # a product's fourth moment grows with its order, and so does the noise of its variance
        assert np.abs(term_RK.mean(0)).max() < 0.02
        assert np.abs(term_RK.var(0) - 1).max() < 0.02 * order**1.5


def test_terms_of_different_orders_are_uncorrelated(test_part: Part) -> None:
    all_terms = np.hstack(list(test_part.term_R.values()))
    correlation = np.corrcoef(all_terms.T) - np.eye(all_terms.shape[1])
    assert np.abs(correlation).max() < 0.02


def test_the_logit_is_the_weighted_sum_of_the_terms(test_part: Part) -> None:
    all_terms = np.hstack([np.ones((len(test_part.logit_R), 1)), *test_part.term_R.values()])
    weights, residual, *_ = np.linalg.lstsq(all_terms, test_part.logit_R, rcond=None)
    assert residual < 1e-15 * len(test_part.logit_R)
    start = 1
    for order, variance in VARIANCES.items():
        n = test_part.term_R[order].shape[1]
        np.testing.assert_allclose((weights[start : start + n] ** 2).sum(), variance)
        start += n


def test_labels_follow_the_logit(test_part: Part) -> None:
    assert test_part.label_R.mean() == pytest.approx(CLICK_RATE, abs=0.005)
    p = expit(test_part.logit_R)
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1)):
        inside = (p >= low) & (p < high)
        noise = 4 * np.sqrt((p[inside] * (1 - p[inside])).mean() / inside.sum())
        assert abs(test_part.label_R[inside].mean() - p[inside].mean()) < noise


def test_bounds_agree_with_scikit_learn(data: Synthetic, test_part: Part) -> None:
    bayes = data.meta["bounds"]["Bayes"]
    assert bayes["auc"] == pytest.approx(roc_auc_score(test_part.label_R, test_part.logit_R), abs=1e-7)
    assert bayes["logloss"] == pytest.approx(log_loss(test_part.label_R, expit(test_part.logit_R)), abs=1e-9)


def test_each_rung_of_the_ladder_is_better_than_the_last_and_the_top_one_equals_bayes(data: Synthetic) -> None:
    bounds = list(data.meta["bounds"].values())
    for lower, higher in pairwise(bounds[:-1]):
        assert higher["auc"] > lower["auc"] + 0.02
        assert higher["logloss"] < lower["logloss"] - 0.02
    assert bounds[-2]["logloss"] == pytest.approx(bounds[-1]["logloss"], abs=2e-4)


def test_diagnose_recovers_the_planted_share_of_each_order(data: Synthetic, test_part: Part) -> None:
    signal = test_part.signal_R
    draw = np.random.default_rng(0).normal(size=len(test_part.logit_R))
    mixed = 0.3 + 0.5 * signal[1] + signal[4] + 0.1 * draw
    shares = data.diagnose(mixed.astype(np.float32))
    for order, planted in {1: 0.5, 2: 0.0, 4: 1.0}.items():
        noise = 4 * 0.1 / (signal[order].std() * np.sqrt(len(draw)))
        assert shares.pop(f"recovered_order_{order}") == pytest.approx(planted, abs=noise)
    assert shares == {}


def test_test_batches_come_in_the_row_order_of_the_true_labels(data: Synthetic, test_part: Part) -> None:
    labels = np.concatenate([batch[2].numpy() for batch in data.test_dataloader()])
    np.testing.assert_array_equal(labels, test_part.label_R)


def test_newtons_logistic_regression_equals_scikit_learns() -> None:
    draw = np.random.default_rng(0)
    x_RK = draw.normal(size=(2000, 3))
    label_R = draw.random(2000) < expit(x_RK @ [1, -2, 0.5] + 0.3)
    fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(x_RK, label_R)
    np.testing.assert_allclose(logistic_regression(x_RK, label_R), [*fitted.intercept_, *fitted.coef_[0]], atol=1e-5)


def test_the_observed_frame_has_only_label_and_fields_with_a_tenth_of_dense_values_missing(data: Synthetic) -> None:
    frame = data.parts["train"].frame
    assert set(frame.columns) == {"label", *data.dense_fields, *data.sparse_fields}
    assert frame["x0"].is_nan().mean() == pytest.approx(0.1, abs=0.01)
    assert data.meta["dense_columns"] == ["x0", "x0 is missing", "x1", "x1 is missing"]
