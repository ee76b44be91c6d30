"""Every model of the suite passes the checks of `wukong-bench check`; a new file in models/ is tested automatically."""

import ast
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import pytest

import models
from benchmark.checks.compute import check_flops
from benchmark.checks.learning import check_trial_0
from benchmark.checks.model import CHECKS

every_model = pytest.mark.parametrize("name", models.names())


@every_model
@pytest.mark.parametrize("check", CHECKS)
def test_every_model_passes(name: str, check: str) -> None:
    """FLOPs are checked for 100 random configurations of each model, where the command takes 30; it trains at more budgets."""
    shortened = {"flops": partial(check_flops, n_configs=34), "trial 0": partial(check_trial_0, budgets=(0.08, 1.2))}
    run = shortened.get(check, CHECKS[check])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Initializing zero-element tensors")  # DLRM with one field has no pairs
        assert run(models.load(name))


@every_model
def test_the_docstring_gives_title_source_and_shapes(name: str) -> None:
    text = ast.get_docstring(ast.parse((Path(models.__file__).parent / f"{name}.py").read_text(encoding="utf-8")))
    assert text is not None
    assert ": " in models.summary(name) and models.summary(name).endswith(".")
    assert "B batch" in text


@every_model
def test_preset_fields_are_the_fields_set_in_presets(name: str) -> None:
    presets, fields = models.presets(name), models.preset_fields(name)
    assert list(presets) == list(fields)
    for key, preset in presets.items():
        assert preset.model_fields_set == set(fields[key])
        assert {field: preset.model_dump(mode="json")[field] for field in fields[key]} == fields[key]


def test_preset_fields_need_no_torch() -> None:
    code = "import sys, models; assert models.preset_fields('wukong'); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=Path(models.__file__).parents[1], check=True)


def test_preset_fields_are_empty_for_a_variant_and_raise_for_an_unknown_model() -> None:
    assert models.preset_fields("wukong.no_lcb") == {}
    with pytest.raises(models.UnknownModel, match="did you mean 'wukong'"):
        models.preset_fields("wukonk")


def test_an_unknown_model_is_rejected_with_the_nearest_name() -> None:
    message = r"no model 'wukonk'; did you mean 'wukong'\? \(.*autoint.*wukong.*\)"
    with pytest.raises(models.UnknownModel, match=message):
        models.load("wukonk")
    with pytest.raises(models.UnknownModel):
        models.load("../base/config")
