"""Every model of the suite passes the checks of `wukong-bench check`; a new file in models/ is tested without an edit."""

import ast
import warnings
from functools import partial
from pathlib import Path

import pytest

import models
from benchmark.checks.model import CHECKS, check_flops

every_model = pytest.mark.parametrize("name", models.names())


@every_model
@pytest.mark.parametrize("check", CHECKS)
def test_every_model_passes(name: str, check: str) -> None:
    """FLOPs for 100 random configurations of each model, where `wukong-bench check` takes 30."""
    run = partial(check_flops, n_configs=34) if check == "flops" else CHECKS[check]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Initializing zero-element tensors")  # DLRM of one field has no pairs
        assert run(models.load(name))


@every_model
def test_the_docstring_gives_title_source_and_shapes(name: str) -> None:
    text = ast.get_docstring(ast.parse((Path(models.__file__).parent / f"{name}.py").read_text(encoding="utf-8")))
    assert text is not None
    assert ": " in models.summary(name) and models.summary(name).endswith(".")
    assert "B batch" in text


def test_an_unknown_model_is_refused_with_the_nearest_name() -> None:
    message = r"no model 'wukonk'; did you mean 'wukong'\? \(.*autoint.*wukong.*\)"
    with pytest.raises(models.UnknownModel, match=message):
        models.load("wukonk")
    with pytest.raises(models.UnknownModel):
        models.load("../base/config")
