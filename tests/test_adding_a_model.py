"""CONTRIBUTING.md's example, put in place as a single file, is tuned, measured and tabulated."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.records import store

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages with the example as models/nfm.py."""
    folder = tmp_path_factory.mktemp("tree")
    for package in ("models", "datamodules", "benchmark", "tests"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    example = re.search(r"<!-- example: models/nfm\.py -->\n```python\n(.*?)```\n", text, re.DOTALL)
    assert example is not None
    assert example[1].count("\n") <= 65
    (folder / "models" / "nfm.py").write_text(example[1], encoding="utf-8")
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
    found = [r for r in store.read(tree / "results" / "smoke") if r.model == "nfm"]
    assert [r.kind for r in found] == ["trial", "trial", "final", "final"]
    assert "| 0.09 | NFM | 0." in (tree / "results/smoke/tables/synthetic_quality.md").read_text()


def test_the_example_meets_the_conformance_tests(tree: Path) -> None:
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_conformance.py", "-k", "nfm", tree=tree)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def test_the_example_meets_the_house_style(tree: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tree)
    for check in (["ruff", "format", "--check"], ["ruff", "check"]):
        done = python("-m", *check, "models/nfm.py", tree=tree)
        assert done.returncode == 0, done.stdout
