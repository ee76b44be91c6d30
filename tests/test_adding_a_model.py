"""CONTRIBUTING.md's examples, each put in place as a single file, are tuned, measured and tabulated."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from contributed import example, write_clicks

from benchmark.records import store

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the packages with the examples as models/nfm.py and datamodules/my_clicks.py."""
    folder = tmp_path_factory.mktemp("tree")
    for package in ("models", "datamodules", "benchmark", "tests"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("models/nfm.py", "datamodules/my_clicks.py"):
        source = example(file)
        assert source.count("\n") <= 65
        (folder / file).write_text(source, encoding="utf-8")
    return folder


def python(*arguments: str, tree: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=tree, env=environment, capture_output=True, text=True, check=False
    )


def test_the_example_is_listed_with_its_title_and_source(tree: Path) -> None:
    listed = python("-m", "benchmark", "list", "models", tree=tree).stdout
    assert "nfm        NFM: an MLP on the pooled products" in re.sub(r"nfm +", "nfm        ", listed)


def test_the_example_is_tuned_and_tabulated_beside_another_model(tree: Path) -> None:
    done = python("-m", "benchmark", "run", "smoke", "--models", "mlp,nfm", "--budgets", "0.09", tree=tree)
    assert done.returncode == 0, done.stderr
    records = [r for r in store.read(tree / "results" / "smoke") if r.model == "nfm"]
    assert [r.kind for r in records] == 2 * ["trial", "trial", "final"]  # two blocks
    assert "| 0.09 | NFM | 0." in (tree / "results/smoke/tables/synthetic_quality.md").read_text()


def test_the_example_passes_the_conformance_tests(tree: Path) -> None:
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_conformance.py", "-k", "nfm", tree=tree)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def test_the_example_follows_the_house_style(tree: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tree)
    for check in (["ruff", "format", "--check"], ["ruff", "check"]):
        done = python("-m", *check, "models/nfm.py", "datamodules/my_clicks.py", tree=tree)
        assert done.returncode == 0, done.stdout


def test_the_example_of_a_data_set_is_compared_on(tree: Path) -> None:
    write_clicks(tree, 2000)
    arguments = ["--datasets", "my_clicks", "--name", "my_clicks", "--models", "mlp,dlrm", "--budgets", "0.09"]
    done = python("-m", "benchmark", "run", "smoke", *arguments, tree=tree)
    assert done.returncode == 0, done.stderr
    finals = [r for r in store.read(tree / "results" / "my_clicks") if r.kind == "final"]
    assert {r.model for r in finals} == {"mlp", "dlrm"} and all(r.status == "complete" for r in finals)
