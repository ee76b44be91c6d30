"""No model has a training aid that another cannot have, and each gets the recipe that was published for it."""

from collections.abc import Iterator
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import RandomSampler
from optuna.trial import FixedTrial
from torch import nn

import models
from benchmark.budget import fit
from benchmark.protocol import validated
from benchmark.study import Study
from benchmark.tuning.sampler import SlotSampler
from benchmark.tuning.space import default_parameters, distributions, drawn, fixed_parameters
from models import base
from models.base.config import AIDS
from models.finalnet import FinalNetConfig

SEARCH = {
    "learning_rate": [5e-4, 3e-2],
    "embedding_l2": [0.0, 1e-3, 1e-1],
    "weight_decay": [0.0, 1e-6],
    "dropout": [0.0, 0.2, 0.4],
    "normalisation": ["none", "batch"],
    "embedding_std": [1e-4, 1e-2],
}
OF_OPTIMISER = {"learning_rate", "embedding_l2", "weight_decay", "clip_norm", "normalisation"}
NO_MLP = {  # models without an MLP whose layers the protocol could normalise, and why
    "lr": "a sum of weights",
    "fm": "a sum of weights and of dot products",
    "rankmixer": "its only layers are the per-token FFNs, which its paper normalises by LayerNorm",
}
OF_THE_PAPER = {"afn": 2}  # batch norms of the logarithmic transformation (section 3.3), which are not an aid
every_model = pytest.mark.parametrize("name", models.names())
PLAIN = base.Budget(0.32e6, 0, 10, 10)
WITH_FIELDS = base.Budget(0.32e6, 0, 10, 10, user_fields=(0, 2), item_fields=(1,))


def study(name: str, budget: float = 0.32, **search: Any) -> Study:
    values = {"name": "made", "datasets": ["synthetic"], "models": ["mlp"], "budgets": [budget], "embedding_dim": 10}
    protocol = validated({**values, "search": {**SEARCH, **search}}, "made")
    return Study(protocol, "synthetic", name, budget, None, "")  # type: ignore[arg-type]


def own_parameters(name: str, budget: base.Budget) -> set[str]:
    """Return the parameters that the model's own `suggest` asks for."""
    trial = optuna.create_study(sampler=RandomSampler(seed=1)).ask()
    next(iter(models.load(name).Config.suggest(trial, budget)))
    return set(trial.params)


def space(name: str, budget: base.Budget = PLAIN, **search: Any) -> dict[str, BaseDistribution]:
    made = study(name, **search)
    return distributions(default_parameters(made, budget), made, budget)


def draws(name: str, budget: base.Budget, n: int = 20) -> Iterator[base.Config]:
    asked = optuna.create_study(sampler=RandomSampler(seed=1))
    for _ in range(n):
        yield fit(models.load(name).Config.suggest(asked.ask(), budget), budget)


def config_classes(name: str) -> list[type[base.Config]]:
    """Return a model's config class and those between it and base.Config."""
    return [c for c in models.load(name).Config.__mro__ if issubclass(c, base.Config) and c is not base.Config]


def test_the_shared_part_of_the_search_space_is_the_same_for_all_models() -> None:
    shared = {}
    for name in models.names():
        whole, own = space(name), own_parameters(name, PLAIN)
        assert own <= set(whole)
        shared[name] = {key: whole[key] for key in whole.keys() - own}
    assert set(shared["mlp"]) == set(SEARCH)
    assert shared["mlp"]["dropout"] == CategoricalDistribution((0.0, 0.2, 0.4))
    assert all(part == shared["mlp"] for part in shared.values())


@every_model
def test_no_model_sets_a_training_aid_of_its_own(name: str) -> None:
    config_class = models.load(name).Config
    for owner in config_classes(name):
        assert not set(AIDS) & set(vars(owner).get("__annotations__", {})), owner
    assert all(config_class.model_fields[aid].default == base.Config.model_fields[aid].default for aid in AIDS)
    for budget in (PLAIN, WITH_FIELDS):
        settings = set(config_class.default) | set(config_class.default_at(budget)) | own_parameters(name, budget)
        assert not settings & ({*AIDS} | OF_OPTIMISER)


@every_model
@pytest.mark.parametrize("mflop", [0.32, 10])
def test_drawn_shapes_leave_the_training_aids_at_the_defaults_of_all_models(name: str, mflop: float) -> None:
    usual = {aid: base.Config.model_fields[aid].default for aid in AIDS}
    for config in draws(name, base.Budget(mflop * 1e6, 3, 10, 10)):
        assert {aid: getattr(config, aid) for aid in AIDS} == usual


@every_model
def test_a_model_with_an_mlp_normalises_its_hidden_layers_exactly_where_the_protocol_says(name: str) -> None:
    for config in draws(name, base.Budget(0.32e6, 0, 10, 10)):
        counts = {on: batch_norms(name, config.with_field("batch_norm", on)) for on in (True, False)}
        hidden = n_hidden(config)
        assert counts[False] == OF_THE_PAPER.get(name, 0)
        assert counts[True] - counts[False] == hidden, config
        assert hidden or name in NO_MLP or name == "masknet"  # a serial MaskNet has no MLP above its blocks


def batch_norms(name: str, config: base.Config) -> int:
    model = models.load(name)(config, 0, [5] * 10)
    return sum(isinstance(module, nn.BatchNorm1d) for module in model.modules())


def n_hidden(config: base.Config) -> int:
    """Return the number of hidden layers of a config's MLPs, without a bottom MLP, which needs dense fields."""
    count = sum(
        len(getattr(config, name, ()))
        for name in ("hidden", "afn_hidden", "top_mlp", "mlp1", "mlp2", "block1", "block2")
    )
    return count + getattr(config, "layers", 0) * len(getattr(config, "fmb_mlp", ()))


def test_every_model_with_dense_fields_and_a_bottom_mlp_normalises_it_too() -> None:
    for name in ("dlrm", "wukong"):
        for config in draws(name, base.Budget(0.32e6, 3, 10, 10), 5):
            model = models.load(name)(config.with_field("batch_norm", True), 3, [5] * 10)
            found = sum(isinstance(module, nn.BatchNorm1d) for module in model.modules())
            assert found == n_hidden(config) + len(config.bottom_mlp)


def test_the_first_editions_finalnet_which_always_had_batch_norm_is_found() -> None:
    class Always(FinalNetConfig):
        batch_norm: bool = True

    assert set(AIDS) & set(vars(Always)["__annotations__"])
    trial: Any = FixedTrial(FinalNetConfig.default)
    assert fit(Always.suggest(trial, PLAIN), PLAIN).batch_norm  # what the test on drawn shapes forbids


@pytest.mark.parametrize("name", [v for m in models.names() for v in models.variants(m) if models.held_aids(v)])
def test_a_variant_that_holds_an_aid_has_it_in_every_draw_and_otherwise_the_same_space(name: str) -> None:
    model, held = name.partition(".")[0], models.held_aids(name)
    of_model, of_variant = space(model), space(name)
    assert {key for key in of_model if of_model[key] != of_variant[key]} <= set(held)
    assert of_variant.keys() == of_model.keys()
    made = study(name)
    sampler = SlotSampler("random", (0,), fixed_parameters(made, PLAIN, "frappe_x1"))
    asked = optuna.create_study(sampler=sampler)
    for slot in range(8):
        sampler.next_slot(slot)
        trial = asked.ask()
        config, optimiser = drawn(trial, made, PLAIN)
        assert {key: trial.params[key] for key in held} == held
        got = {**config.model_dump(), **optimiser.model_dump()}
        for key, value in held.items():
            assert (got["batch_norm"], got.get(key)) == (value == "batch", None) if key == "normalisation" else True
            assert key == "normalisation" or got[key] == value
