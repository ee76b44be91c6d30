"""The search space: each model's shapes and the optimiser settings that all models share."""

from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FixedTrial

import models
from benchmark import budget as budgets
from benchmark.protocol import Protocol
from benchmark.study import DRAWS_PER_TRIAL, Study
from benchmark.training.runner import budget_of
from benchmark.tuning.sampler import SlotSampler
from models.base import Budget, Optimiser


def suggest_optimiser(trial: optuna.Trial, protocol: Protocol) -> tuple[Optimiser, float]:
    """Return optimiser and dropout rate, drawn from the space that all models share."""
    search = protocol.search
    optimiser = Optimiser(
        learning_rate=trial.suggest_float("learning_rate", *search.learning_rate, log=True),
        embedding_l2=trial.suggest_categorical("embedding_l2", search.embedding_l2),
        weight_decay=trial.suggest_categorical("weight_decay", search.weight_decay),
        clip_norm=protocol.training.clip_norm,
    )
    return optimiser, trial.suggest_categorical("dropout", search.dropout)


def default_optimiser(protocol: Protocol) -> dict[str, Any]:
    """Return the shared part of trial 0: Adam's usual rate, clipped to the range, and the weakest regularisation."""
    low, high = protocol.search.learning_rate
    choices = {name: getattr(protocol.search, name) for name in ("embedding_l2", "weight_decay", "dropout")}
    return {"learning_rate": min(max(1e-3, low), high), **{name: min(values) for name, values in choices.items()}}


def default_parameters(study: Study) -> dict[str, Any]:
    """Return the parameters of trial 0."""
    return {**models.load(study.model).Config.default, **default_optimiser(study.protocol)}


def distributions(params: dict[str, Any], study: Study, budget: Budget) -> dict[str, BaseDistribution]:
    """Return the static search space, recorded while these parameters are suggested. Raises ValueError if one is missing.

    Args:
        params: of one trial.
        study: whose model and protocol define the space.
        budget: of the study.
    """
    trial: Any = FixedTrial(params)  # has the methods of a Trial but not its type
    next(iter(models.load(study.model).Config.suggest(trial, budget)))
    suggest_optimiser(trial, study.protocol)
    return trial.distributions


def out_of_reach(study: Study, n_dense: int, n_sparse: int) -> str | None:
    """Return why no shape of the model's space meets the budget; None if one of the first DRAWS_PER_TRIAL draws does.

    Args:
        study: with its model and budget.
        n_dense: number of dense columns of its data set.
        n_sparse: number of sparse columns of its data set.
    """
    budget = budget_of(study, n_dense, n_sparse)
    config_class = models.load(study.model).Config
    sampler = SlotSampler("random", study.protocol.search.seed, config_class.default)
    draws = optuna.create_study(sampler=sampler)
    reason = None
    for slot in range(DRAWS_PER_TRIAL):
        sampler.next_slot(slot)
        try:
            budgets.fit(config_class.suggest(draws.ask(), budget), budget)
        except budgets.Infeasible as error:
            reason = str(error)
        else:
            return None
    return reason
