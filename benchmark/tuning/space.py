"""The search space: each model's shapes, and the training aids that all models share."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FixedTrial

import models
from benchmark import budget as budgets
from benchmark.records.record import Record
from benchmark.study import DRAWS_PER_TRIAL, Study
from benchmark.training.inputs import budget_of
from benchmark.tuning.sampler import SlotSampler
from models.base import Budget, Config, Optimiser

USUAL_RATE, USUAL_STD = 1e-3, 0.01  # of trial 0: Adam's and the embeddings'


def suggest_aids(trial: optuna.Trial, study: Study) -> tuple[Optimiser, dict[str, Any]]:
    """Return optimiser and the fields of a config that are training aids, from the one space that all models share.

    A variant that holds an aid, to show what it is worth, has that value as its only choice.
    """
    search, held = study.protocol.search, models.held_aids(study.model)

    def chosen(name: str) -> Any:
        return trial.suggest_categorical(name, (held[name],) if name in held else getattr(search, name))

    optimiser = Optimiser(
        learning_rate=trial.suggest_float("learning_rate", *search.learning_rate, log=True),
        embedding_l2=chosen("embedding_l2"),
        weight_decay=chosen("weight_decay"),
        clip_norm=study.protocol.training.clip_norm,
    )
    return optimiser, {
        "dropout": chosen("dropout"),
        "batch_norm": chosen("normalisation") == "batch",
        "embedding_std": chosen("embedding_std"),
    }


def drawn(trial: optuna.Trial, study: Study, budget: Budget) -> tuple[Config, Optimiser]:
    """Return the configuration and the optimiser of a trial. Raises Infeasible if no shape meets the budget.

    Args:
        trial: that is asked for every parameter.
        study: whose model and protocol define the space.
        budget: of the study.
    """
    optimiser, aids = suggest_aids(trial, study)
    config = budgets.fit(models.load(study.model).Config.suggest(trial, budget), budget)
    for name, value in aids.items():
        config = config.with_field(name, value)
    return config, optimiser


def default_parameters(study: Study, budget: Budget) -> dict[str, Any]:
    """Return the parameters of slot 0: the model's default shape, the usual rate and start, the weakest regularisation."""
    search = study.protocol.search
    low, high = search.learning_rate
    weakest = {name: min(getattr(search, name)) for name in ("embedding_l2", "weight_decay", "dropout")}
    return {
        **models.load(study.model).Config.default_at(budget),
        **weakest,
        "learning_rate": min(max(USUAL_RATE, low), high),
        "normalisation": search.normalisation[0],
        "embedding_std": min(search.embedding_std, key=lambda std: abs(math.log(std / USUAL_STD))),
        **models.held_aids(study.model),
    }


def fixed_parameters(study: Study, budget: Budget, recipe: str) -> dict[int, dict[str, Any]]:
    """Return the parameters of the slots that are not drawn: 0 is the default, 1 the published recipe.

    Args:
        study: whose model and protocol define the space.
        budget: of the study.
        recipe: name of the data set whose published recipes are taken.
    """
    return {0: default_parameters(study, budget), 1: models.recipe(study.model, recipe)}


def distributions(params: dict[str, Any], study: Study, budget: Budget) -> dict[str, BaseDistribution]:
    """Return the static search space, recorded while these parameters are suggested. Raises ValueError if one is missing.

    Args:
        params: of one trial.
        study: whose model and protocol define the space.
        budget: of the study.
    """
    trial: Any = FixedTrial(params)  # has the methods of a Trial but not its type
    next(iter(models.load(study.model).Config.suggest(trial, budget)))
    suggest_aids(trial, study)
    return trial.distributions


def size(distributions: Mapping[str, BaseDistribution]) -> float:
    """Return the number of points of a search space; infinity if a parameter is continuous."""
    return math.prod(map(_values, distributions.values()))


def _values(space: BaseDistribution) -> float:
    """Return the number of values of one parameter."""
    if isinstance(space, CategoricalDistribution):
        return len(space.choices)
    assert isinstance(space, IntDistribution | FloatDistribution)  # noqa: S101 (tells mypy)
    if space.single():
        return 1
    return math.inf if space.step is None else math.floor((space.high - space.low) / space.step + 1e-9) + 1


def exhausted(trials: Iterable[Record], points: float) -> str | None:
    """Return why no further draw can be new, once all points of the search space have been drawn; None before.

    Args:
        trials: that were drawn.
        points: of the search space.
    """
    drawn_points = {json.dumps(record.params, sort_keys=True) for record in trials if record.params}
    if len(drawn_points) < points:
        return None
    return f"the search space has no more points: all {len(drawn_points)} have been drawn"


def out_of_reach(study: Study, about: Mapping[str, Any]) -> str | None:
    """Return why no shape of the model's space meets the budget; None if one of the first DRAWS_PER_TRIAL draws does.

    Args:
        study: with its model and budget.
        about: facts about its data set.
    """
    budget = budget_of(study, about)
    config_class = models.load(study.model).Config
    sampler = SlotSampler("random", study.draws, {0: config_class.default_at(budget)})
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
