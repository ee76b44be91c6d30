"""Metrics match scikit-learn and raise an error where they are undefined."""

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, roc_auc_score
from torchmetrics.functional.classification import binary_auroc

from models.base import Diverged, Predictions
from models.base.metrics import auc


def predictions(logit: torch.Tensor, label: torch.Tensor, batch_size: int = 7) -> Predictions:
    metric = Predictions()
    for logit_B, label_B in zip(logit.split(batch_size), label.split(batch_size), strict=True):
        metric.update(logit_B, label_B)
    return metric


def test_metrics_match_scikit_learn_for_any_batches_and_ties() -> None:
    torch.manual_seed(0)
    logit = torch.randn(1000).round(decimals=1) * 4  # many ties
    label = (torch.rand(1000) < 0.3).float()
    for batch_size in (1, 7, 1000):
        metrics = predictions(logit, label, batch_size).compute()
        probability = logit.double().sigmoid().numpy()
        assert metrics["auc"] == pytest.approx(roc_auc_score(label, probability), abs=1e-7)
        assert metrics["logloss"] == pytest.approx(log_loss(label, probability), abs=1e-12)
        rate = label.double().mean().item()
        entropy = log_loss(label, np.full(1000, rate))
        assert metrics["normalised_entropy"] == pytest.approx(metrics["logloss"] / entropy, abs=1e-12)
        assert metrics["calibration"] == pytest.approx(probability.mean() / rate, abs=1e-12)


def test_extreme_logits_keep_their_order_and_a_finite_loss() -> None:
    metrics = predictions(torch.tensor([-200.0, -150.0, 30.0, 31.0]), torch.tensor([0.0, 0.0, 1.0, 1.0])).compute()
    assert metrics["auc"] == 1.0
    assert metrics["logloss"] == pytest.approx(0.0, abs=1e-12)


def test_nan_on_the_positives_is_not_a_perfect_score() -> None:
    """torchmetrics 1.9 scores it 1.0."""
    with pytest.raises(Diverged, match="2 of 4 predictions are not finite"):
        predictions(torch.tensor([0.1, 0.2, float("nan"), float("inf")]), torch.tensor([0.0, 0.0, 1.0, 1.0])).compute()


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_has_no_auc(label: float) -> None:
    with pytest.raises(ValueError, match="AUC needs both classes"):
        predictions(torch.randn(5), torch.full((5,), label)).compute()


@pytest.mark.parametrize("decimals", [1, 6])  # many ties, few
def test_auc_matches_torchmetrics(decimals: int) -> None:
    torch.manual_seed(0)
    logit = torch.randn(20_000).round(decimals=decimals)
    label = (torch.rand(20_000) < logit.sigmoid()).float()
    assert auc(logit, label) == pytest.approx(binary_auroc(logit.double().sigmoid(), label.long()).item(), abs=1e-7)
