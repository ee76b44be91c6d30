"""An audit tells reproduced records from others, and names what may explain a difference."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmark.cli.main import app
from benchmark.records import store

PROTOCOL = """
datasets = ["synthetic"]
models = ["mlp"]
budgets = [0.05]
embedding_dim = 4
training = {batch_size = 512, train_rows = 4096}
search = {blocks = 1, trials = 1}
final = {seeds = [1, 2]}
"""

pytestmark = pytest.mark.slow


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, f"{done.output}{done.exception or ''}"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audit")
    (folder / "tiny.toml").write_text(PROTOCOL)
    assert run("run", folder / "tiny.toml", "--results", folder, "--jobs", 1)[0] == 0
    return folder


def changed(results: Path, tmp_path: Path, **values: object) -> Path:
    """Return a parent folder of a copy of the results in which every record has these values."""
    for name in ("protocol.toml", "records/synthetic/mlp.jsonl"):
        (tmp_path / "tiny" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tiny" / name).write_bytes((results / "tiny" / name).read_bytes())
    path = store.record_file(tmp_path / "tiny", "synthetic", "mlp")
    lines = [json.dumps(json.loads(line) | values) for line in path.read_text().splitlines()]
    path.write_text("".join(f"{line}\n" for line in lines))
    return tmp_path


def test_every_record_of_a_run_is_reproduced_bit_for_bit(results: Path) -> None:
    code, shown = run("audit", "tiny", "--results", results, "--records", 9)
    assert code == 0, shown
    assert [f"[{i}/3]" in shown for i in (1, 2, 3, 4)] == [True, True, True, False]
    assert shown.count("  bit for bit") == 2  # the final runs, whose predictions are recorded
    assert shown.count("none") == 3


def test_a_metric_off_by_more_than_float_error_fails_the_audit(results: Path, tmp_path: Path) -> None:
    before = store.read(results / "tiny")[0].valid or {}
    code, shown = run(
        "audit", "tiny", "--results", changed(results, tmp_path, valid=before | {"auc": before["auc"] + 2e-6})
    )
    assert code == 1 and "FAILED" in shown
    assert "  bit for bit" not in shown  # equal predictions do not excuse a record with other metrics


def test_a_changed_device_is_named(results: Path, tmp_path: Path) -> None:
    code, shown = run("audit", "tiny", "--results", changed(results, tmp_path, device="another processor"))
    assert code == 0 and "device: another processor -> " in shown


def test_other_data_and_a_folder_without_records_are_refused(results: Path, tmp_path: Path) -> None:
    other = changed(results, tmp_path, data_fingerprint="beef")
    code, shown = run("audit", "tiny", "--results", other)
    assert code != 0 and "beef in the record" in shown
    store.record_file(other / "tiny", "synthetic", "mlp").write_text("")
    code, shown = run("audit", "tiny", "--results", other)
    assert code != 0 and "no complete records" in shown
