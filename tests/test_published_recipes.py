"""Slot 1 is the published recipe, clipped to what the protocol and the budget allow."""

from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FixedTrial
from test_recipe import PLAIN, SEARCH, WITH_FIELDS, every_model, own_parameters, space, study

import datamodules
import models
from benchmark import budget as budgets
from benchmark.budget import fit
from benchmark.tuning.sampler import SlotSampler, nearest_allowed
from benchmark.tuning.space import default_parameters, drawn, fixed_parameters
from models import base
from models.finalmlp import FinalMLPConfig


@pytest.mark.parametrize(
    ("value", "allowed", "nearest"),
    [
        (0.05, CategoricalDistribution((0.0, 1e-3, 1e-1)), 1e-1),
        (0.005, CategoricalDistribution((0.0, 1e-3, 1e-1)), 1e-3),  # by ratio; by distance 0.0 and 1e-3 are near, too
        (0.0, CategoricalDistribution((1e-3, 1e-1)), 1e-3),
        (0.1, CategoricalDistribution((0.0,)), 0.0),
        (24, CategoricalDistribution((2, 4, 8, 16)), 16),
        (800, CategoricalDistribution((0, 64, 256)), 256),
        (256, CategoricalDistribution((0, 64, 256)), 256),
        ("batch", CategoricalDistribution(("none", "batch")), "batch"),
        ("batch", CategoricalDistribution(("none",)), "none"),
        (False, CategoricalDistribution((True, False)), False),
        (4, IntDistribution(1, 3), 3),
        (1, IntDistribution(2, 6), 2),
        (2, IntDistribution(1, 3), 2),
        (1e-4, FloatDistribution(5e-4, 3e-2, log=True), 5e-4),
        (1e-3, FloatDistribution(5e-4, 3e-2, log=True), 1e-3),
        (0.95, FloatDistribution(0.3, 0.9), 0.9),
    ],
)
def test_a_published_value_outside_the_space_becomes_the_nearest_inside(
    value: Any, allowed: BaseDistribution, nearest: Any
) -> None:
    assert nearest_allowed(value, allowed) == nearest


@every_model
def test_slot_0_is_the_default_slot_1_the_published_recipe_and_later_slots_are_drawn(name: str) -> None:
    made, whole = study(name), space(name)
    sampler = SlotSampler("random", (0,), fixed_parameters(made, PLAIN, "frappe_x1"))
    asked, params, optimisers = optuna.create_study(sampler=sampler), [], []
    for slot in range(4):
        sampler.next_slot(slot)
        trial = asked.ask()
        optimisers.append(drawn(trial, made, PLAIN)[1])
        params.append(trial.params)
    recipe = models.recipe(name, "frappe_x1")
    assert params[0] == default_parameters(made, PLAIN)
    assert params[1].keys() == whole.keys()
    assert params[1] == {key: nearest_allowed(recipe[key], whole[key]) for key in whole}
    assert optimisers[0].learning_rate == 1e-3 and optimisers[1].learning_rate == recipe["learning_rate"]
    assert params[2] != params[3] and not {0, 1} & {params.index(drawn) for drawn in params[2:]}


def test_a_recipe_is_clipped_to_the_choices_of_the_protocol() -> None:
    made = study(
        "mlp", normalisation=["none"], dropout=[0.0, 0.5], embedding_l2=[0.0, 1e-3], learning_rate=[2e-3, 1e-2]
    )
    sampler = SlotSampler("tpe", (0,), fixed_parameters(made, PLAIN, "frappe_x1"))
    sampler.next_slot(1)
    trial = optuna.create_study(sampler=sampler).ask()
    config, optimiser = drawn(trial, made, PLAIN)
    assert models.recipe("mlp", "frappe_x1")["normalisation"] == "batch"
    assert (config.batch_norm, config.dropout, config.embedding_std) == (False, 0.5, 1e-4)
    assert (optimiser.embedding_l2, optimiser.learning_rate) == (1e-3, 2e-3)


def test_a_data_set_without_a_published_recipe_takes_that_of_criteo() -> None:
    assert models.recipe("mlp", "hotel") == models.recipe("mlp", "criteo_x1") == models.recipes("mlp")["criteo_x1"]
    assert models.recipe("mlp", "frappe_x1") != models.recipe("mlp", "criteo_x1")
    assert models.recipe("wukong", "frappe_x1") == models.recipes("wukong")["criteo_x1"]
    assert models.recipe("wukong.no_lcb", "frappe_x1") == models.recipe("wukong", "frappe_x1")


@every_model
def test_every_recipe_names_all_parameters_of_its_models_space_and_no_others(name: str) -> None:
    assert "criteo_x1" in models.recipes(name)
    for dataset, recipe in models.recipes(name).items():
        without, with_fields = (own_parameters(name, budget) | set(SEARCH) for budget in (PLAIN, WITH_FIELDS))
        assert set(recipe) <= with_fields, dataset
        assert without <= set(recipe), dataset
        assert with_fields <= set(recipe), dataset


def test_a_gate_of_finalmlp_reads_the_users_fields_and_the_other_the_items_where_it_can_be_afforded() -> None:
    parameters = {**FinalMLPConfig.default, "contexts": "user and item"}
    config = with_contexts(parameters, base.Budget(10e6, 0, 10, 10, (0, 2), (1,)))
    assert (config.context1, config.context2, config.gate) == ((0, 2), (1,), (64,))
    constant = with_contexts({**parameters, "contexts": "constant"}, base.Budget(10e6, 0, 10, 10, (0, 2), (1,)))
    assert (constant.context1, constant.context2) == ((), ())
    dear = with_contexts(parameters, base.Budget(0.02e6, 0, 10, 10, (0, 2), (1,)))
    assert (dear.context1, dear.context2) == ((), ())
    nobody = with_contexts(FinalMLPConfig.default, base.Budget(10e6, 0, 10, 10))
    assert (nobody.context1, nobody.context2) == ((), ())


def with_contexts(parameters: dict[str, Any], budget: base.Budget) -> FinalMLPConfig:
    trial: Any = FixedTrial(parameters)
    config = fit(FinalMLPConfig.suggest(trial, budget), budget)
    assert isinstance(config, FinalMLPConfig) and abs(budgets.error(config, budget)) <= budgets.TOLERANCE
    return config


@pytest.mark.parametrize("name", datamodules.names())
def test_fields_of_user_and_item_are_columns_that_a_model_reads_and_the_recipe_is_a_published_one(name: str) -> None:
    data = datamodules.load(name)
    columns = {*data.dense_fields, *data.sparse_fields}
    assert {*data.user_fields, *data.item_fields} <= columns
    assert not set(data.user_fields) & set(data.item_fields)
    assert data.recipe in models.recipes("mlp")
