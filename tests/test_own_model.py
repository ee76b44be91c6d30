"""A model in a file outside the package is compared like any other, and its results are read without the file."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from contributed import example
from processes import command

from benchmark.records import store

NAMED = "mlp,my models/nfm.py,my models/nfm.py:thin"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with results/smoke, made with `my models/nfm.py`."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "my models").mkdir()
    (folder / "my models/nfm.py").write_text(example("models/nfm.py"))
    (folder / "my models/nfm.toml").write_text('[variants.thin]\ntitle = "NFM, thin"\nembedding_std = 0.01\n')
    done = command("run", "smoke", "--models", NAMED, "--budgets", "0.09", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def gone(copy: Path) -> Path:
    """Return a copy in which the file is gone."""
    shutil.rmtree(copy / "my models")
    return copy


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_it_is_tuned_tabulated_and_its_records_hold_its_hash(made: Path) -> None:
    records = store.read(made / "results/smoke")
    hashes = {model: {r.model_sha256 for r in records if r.model == model} for model in ("mlp", "nfm", "nfm.thin")}
    assert hashes["mlp"] == {None} and len(hashes["nfm"]) == 1 and None not in hashes["nfm"]
    assert hashes["nfm.thin"] == hashes["nfm"]
    assert all(record.status == "complete" for record in records) and len(records) == 3 * 2 * 3
    table = (made / "results/smoke/tables/synthetic_quality.md").read_text()
    assert "| NFM |" in table and "| NFM, thin |" in table
    assert json.loads((made / "results/smoke/models/nfm.json").read_text())["title"] == "NFM"
    assert "my models" not in (made / "results/smoke/protocol.toml").read_text()


def test_it_is_audited_timed_and_trained_longer(copy: Path) -> None:
    audit = command("audit", "smoke", "--models", "my models/nfm.py", "--records", "2", folder=copy)
    assert audit.returncode == 0 and audit.stdout.count("synthetic/nfm/0.09 block") == 2, audit.stderr
    time = command("time", "smoke", "--models", NAMED, "--rounds", "1", "--steps", "2", folder=copy)
    assert time.returncode == 0, time.stderr
    speeds = json.loads((copy / "results/smoke/throughput/synthetic.json").read_text())["speeds"]
    assert {speed["model"] for speed in speeds} == {"mlp", "nfm", "nfm.thin"}
    double = command("double", "smoke", "--models", "my models/nfm.py", folder=copy)
    assert "2 runs of 2 epochs" in double.stdout, double.stderr
    doubled = [r for r in store.read(copy / "results/smoke") if r.kind == "doubled"]
    assert {r.model for r in doubled} == {"nfm"} and all(r.model_sha256 for r in doubled)


def test_several_devices_train_it(copy: Path) -> None:
    arguments = ["--name", "two", "--models", "my models/nfm.py", "--budgets", "0.09", "--set", "search.blocks=1"]
    done = command("run", "smoke", *arguments, "--devices", "2", folder=copy)
    assert done.returncode == 0, done.stderr
    assert {(r.status, r.devices) for r in store.read(copy / "results/two")} == {("complete", 2)}


def test_a_changed_file_is_changed_code_of_that_model_only(copy: Path) -> None:
    path = copy / "my models/nfm.py"
    path.write_text(path.read_text().replace("square().sum(1)) / 2", "square().sum(1)) / 4"))
    arguments = ["run", "smoke", "--models", NAMED, "--budgets", "0.09"]
    finished = command(*arguments, folder=copy)
    assert finished.returncode == 0
    notes = [line for line in finished.stdout.splitlines() if line.startswith("note: ")]
    assert len(notes) == 2 and all("models.nfm" in line and "mlp" not in line for line in notes)
    refused = one_line(command(*arguments, "--set", "search.blocks=3", folder=copy))
    assert "holds results of other code: models.nfm " in refused and "models.mlp" not in refused
    audit = command("audit", "smoke", "--models", "my models/nfm.py", "--records", "1", folder=copy)
    assert audit.returncode == 1 and "changed since the record: file of the model: nfm " in audit.stdout


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["report", "smoke"], "NFM"),
        (["status", "smoke"], "synthetic/nfm/0.09: 2/2 blocks"),
        (["compare", "smoke", "results/smoke"], "NFM"),
        (["export", "smoke", "--format", "bars"], "synthetic.csv"),
        (["export", "smoke", "--format", "parquet"], "runs.parquet"),
        (["submit-check", "results/smoke"], "consistent"),
        (["merge", "results/merged", "results/smoke"], "18 records added"),
        (["leaderboard"], "leaderboard in"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_every_command_that_reads_results_needs_no_file(gone: Path, arguments: list[str], shown: str) -> None:
    done = command(*arguments, folder=gone)
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout and not done.stderr


def test_training_it_without_the_file_is_one_line_that_says_how_to_name_it(gone: Path) -> None:
    for arguments in (
        ["run", "results/smoke/protocol.toml"],
        ["double", "smoke"],
        ["audit", "smoke", "--records", "18"],
    ):
        assert "a file of yours is named by its path: --models ./nfm.py" in one_line(command(*arguments, folder=gone))
    time = command("time", "smoke", "--rounds", "1", "--steps", "2", folder=gone)
    assert time.returncode == 0, time.stderr
    assert "name all models, that one by its path: --models mlp,./nfm.py,./nfm.py:thin" in time.stdout
