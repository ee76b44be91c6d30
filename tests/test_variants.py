"""A variant is a model with some fields held fixed: matched to budgets, tuned, recorded and plotted as its own model."""

import math
from pathlib import Path

import pytest
from optuna.samplers import RandomSampler
from optuna.study import create_study
from pydantic import ValidationError

import models
from benchmark import protocol as protocols
from benchmark.budget import Infeasible, error, fit
from benchmark.findings.summary import title
from benchmark.records.folder import Folder
from benchmark.reports.plots.style import look
from benchmark.study import Study
from benchmark.tuning import tuner
from models.base import Budget

VARIANTS = {name: variant for name, variant in models.variants("wukong").items() if variant.fields}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_draw_of_a_variant_is_on_budget_with_its_fields_fixed(name: str) -> None:
    config_class, budget = models.load(name).Config, Budget(0.8e6, 3, 10, 8)
    study, configs = create_study(sampler=RandomSampler(seed=1)), []
    for _ in range(20):
        try:
            configs.append(fit(config_class.suggest(study.ask(), budget), budget))
        except Infeasible:
            continue
    fixed = VARIANTS[name].fields
    assert len(configs) >= 15 and fixed
    for config in configs:
        assert abs(error(config, budget)) <= 0.02
        assert {key: config.model_dump(mode="json")[key] for key in fixed} == fixed


def test_a_variant_draws_the_shapes_of_its_model() -> None:
    budget = Budget(0.8e6, 3, 10, 8)
    params = {name: draw(models.load(name).Config, budget) for name in ("wukong", "wukong.no_lcb")}
    assert params["wukong"] == params["wukong.no_lcb"]


def draw(config_class: type, budget: Budget) -> dict[str, object]:
    trial = create_study(sampler=RandomSampler(seed=3)).ask()
    next(iter(config_class.suggest(trial, budget)))
    return trial.params


def test_a_variant_is_tuned_and_recorded_under_its_name(tmp_path: Path) -> None:
    protocol = protocols.validated(
        {
            "name": "test",
            "datasets": ["synthetic"],
            "models": ["wukong", "wukong.no_fmb"],
            "budgets": [0.1],
            "embedding_dim": 4,
            "training": {"batch_size": 512, "train_rows": 2048},
            "search": {"blocks": 1, "trials": 1},
            "final": {"seeds": [1]},
        },
        "test",
    )
    Folder(tmp_path).adopt_code(["synthetic/wukong.no_fmb/0.1"], {}, protocol)
    study = Study(protocol, "synthetic", "wukong.no_fmb", 0.1, tmp_path, f"sqlite:///{tmp_path / 'study.db'}")
    tuner.run(study)
    trial, final = study.records()
    assert (trial.status, final.status) == ("complete", "complete"), trial.error
    assert final.model == "wukong.no_fmb" and final.config["without"] == ["fmb"]
    assert final.test is not None and math.isfinite(final.test["logloss"])


def test_variants_have_their_own_names_titles_and_looks() -> None:
    assert title("wukong.no_lcb") == "Wukong without LCB" and models.summary("wukong.no_lcb").endswith(
        "without ['lcb']"
    )
    for model in models.names():
        siblings = [model, *models.variants(model)]
        assert len({look(name)["color"] for name in siblings}) == len(siblings)
    every = [name for model in models.names() for name in (model, *models.variants(model))]
    assert len({tuple(look(name).values()) for name in every}) == len(every)
    assert "wukong.no_lcb" not in models.names() and models.known("wukong.no_lcb")
    assert not models.known("wukong.") and not models.known("wukong.no_lcb.no_fmb") and not models.known("../wukong")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wukong.no_lbc", r"no model 'wukong.no_lbc'; did you mean 'wukong.no_lcb'\?"),
        ("mlp.norn", r"no model 'mlp.norn'; did you mean 'mlp.norm'\?"),
        ("dcnv2.wide", r"no model 'dcnv2.wide'; \(dcnv2 has no variants\)"),
    ],
)
def test_an_unknown_variant_is_rejected_with_the_nearest_name(name: str, message: str) -> None:
    with pytest.raises(models.UnknownModel, match=message):
        models.load(name)


def test_a_config_of_a_variant_holds_what_the_variant_holds() -> None:
    config = models.load("wukong.no_fmb").Config
    assert config(embedding_dim=8) == config.model_validate({"embedding_dim": 8, "without": ["fmb"]})
    with pytest.raises(ValidationError, match="and allows no other value, got"):
        config.model_validate({"embedding_dim": 8, "without": ["lcb"]})
