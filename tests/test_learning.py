"""The six models learn what can be learnt, and no more. Marked slow: about a minute on one core."""

from functools import cache

import optuna
import pytest
from scipy.stats import norm

import datamodules
import models
from benchmark.budget import fit
from benchmark.protocol.sections import Training
from benchmark.training.loop import Outcome, train
from datamodules.base import CTRDataModule
from models.base import Budget, Optimiser

SIX = ("mlp", "dlrm", "dcnv2", "autoint", "finalmlp", "wukong")
pytestmark = pytest.mark.slow


@cache
def synthetic() -> CTRDataModule:
    return datamodules.load("synthetic")(batch_size=256, train_rows=200_000)


def trained(name: str, data: CTRDataModule, mflop: float, rate: float) -> Outcome:
    config_class = models.load(name).Config
    budget = Budget(mflop * 1e6, data.n_dense, len(data.cardinalities), 8)
    config = fit(config_class.suggest(optuna.trial.FixedTrial(config_class.default_at(budget)), budget), budget)  # type: ignore[arg-type]
    training = Training(batch_size=data.batch_size, epochs=1, schedule="linear")
    return train(models.load(name), config, Optimiser(learning_rate=rate), data, training, seed=1, test=True)


@pytest.mark.parametrize("name", SIX)
def test_on_synthetic_data_no_model_beats_bayes_and_all_beat_order_1(name: str) -> None:
    """The order-1 bound uses the true latents, so it is above any logistic regression on the fields."""
    bounds = synthetic().meta["bounds"]
    score = trained(name, synthetic(), 0.3, 1e-2).test
    assert score is not None
    # standard error of a paired difference is far below that of one LogLoss over 120,000 rows
    noise = norm.ppf(0.999) * 0.5 / 120_000**0.5
    assert score["logloss"] > bounds["Bayes"]["logloss"] - noise
    assert score["auc"] < bounds["Bayes"]["auc"] + noise
    assert score["logloss"] < bounds["order 1"]["logloss"] - 0.02
    assert score["auc"] > bounds["order 1"]["auc"] + 0.05


@pytest.mark.parametrize("name", SIX)
def test_on_hotel_every_model_beats_logistic_regression(name: str) -> None:
    """0.820 is the test AUC of a logistic regression on one-hot fields with this split."""
    score = trained(name, datamodules.load("hotel")(batch_size=1024), 0.3, 3e-3).test
    assert score is not None
    assert score["auc"] > 0.820
