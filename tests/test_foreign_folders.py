"""A results folder outlives the code of its model and its data set: all commands that read one need neither."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from contributed import example, write_clicks
from processes import command

from benchmark.records import store

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with results/foreign, made by a model and on data whose code and raw files are deleted."""
    folder = tmp_path_factory.mktemp("sender")
    for package in ("models", "datamodules", "benchmark"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("models/nfm.py", "datamodules/my_clicks.py"):
        (folder / file).write_text(example(file), encoding="utf-8")
    (folder / "models/nfm.toml").write_text('[variants.thin]\ntitle = "NFM, thin"\nembedding_std = 0.01\n')
    write_clicks(folder, 3000)
    arguments = ["run", "smoke", "--datasets", "my_clicks", "--name", "foreign", "--models", "mlp,nfm,nfm.thin"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", *arguments, "--budgets", "0.09,0.36"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "WUKONG_BENCH_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for name in ("models", "datamodules", "benchmark", "data", "cache"):
        shutil.rmtree(folder / name)
    return folder / "results"


@pytest.fixture
def copy(results: Path, tmp_path: Path) -> Path:
    shutil.copytree(results / "foreign", tmp_path / "results/foreign")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["report", "foreign"], "NFM"),
        (["status", "foreign"], "my_clicks/nfm/0.09: 2/2 blocks"),
        (["compare", "foreign", "results/foreign"], "NFM"),
        (["export", "foreign", "--format", "bars"], "my_clicks.csv"),
        (["export", "foreign", "--format", "parquet"], "runs.parquet"),
        (["export", "foreign", "--format", "hugging-face"], "my_clicks.yaml"),
        (["submit-check", "results/foreign/records/my_clicks/nfm.jsonl"], "consistent"),
        (["merge", "results/merged", "results/foreign"], "records added"),
        (["leaderboard"], "leaderboard in"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_every_command_that_reads_results_reads_a_folder_whose_code_is_gone(copy, arguments, shown):
    done = command(*arguments, folder=copy)
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout and not done.stderr


def test_the_report_has_the_titles_that_the_model_and_its_variant_had(copy):
    assert command("report", "foreign", folder=copy).returncode == 0
    quality = (copy / "results/foreign/tables/my_clicks_quality.md").read_text()
    assert "| NFM |" in quality and "| NFM, thin |" in quality and "nfm" not in quality
    page = (copy / "results/foreign/report.html").read_text()
    assert "an MLP on the pooled products" in page and "embedding_std 0.01" in page


def test_a_merged_folder_has_all_that_the_source_had(copy):
    assert command("merge", "results/merged", "results/foreign", folder=copy).returncode == 0
    assert command("report", "merged", folder=copy).returncode == 0
    source, merged = copy / "results/foreign", copy / "results/merged"
    assert store.read(merged) == store.read(source)
    kept = {
        path.relative_to(source) for path in source.rglob("*") if path.is_file() and not path.name.startswith(".")
    } - {Path("study.db")}
    assert kept == {path.relative_to(merged) for path in merged.rglob("*") if path.is_file() and path.name[0] != "."}
    for path in ("models/nfm.thin.json", "made_with.json", "datasets/my_clicks.json"):
        assert (merged / path).read_bytes() == (source / path).read_bytes()


def test_training_it_is_one_line(copy):
    done = command("run", "results/foreign/protocol.toml", folder=copy)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "no data set 'my_clicks'" in done.stderr
