"""Records are read back as written, and torn or damaged lines are detected."""

import math
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from benchmark.errors import RecordError, RunError
from benchmark.records import code, files, provenance, store
from benchmark.records.record import Record


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path, record: Record) -> None:
    final = record.model_copy(update={"kind": "final", "test": {"auc": 0.1 + 0.2, "logloss": 1 / 3}, "seed": 2})
    for one in (final, record):
        store.append(tmp_path, one)
    assert store.read(tmp_path) == [record, final]
    assert store.of_study(tmp_path, "d", "mlp", 1.0, 1) == [final, record]
    assert store.of_study(tmp_path, "d", "mlp", 2.0, 1) == []


def test_a_torn_last_line_is_skipped_and_moved_aside_by_the_next_write(tmp_path: Path, record: Record) -> None:
    store.append(tmp_path, record)
    path = store.record_file(tmp_path, "d", "mlp")
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:100])
    assert store.read(tmp_path) == [record]
    second = record.model_copy(update={"trial": 1})
    store.append(tmp_path, second)
    assert store.read(tmp_path) == [record, second]
    assert path.with_suffix(".torn").read_bytes() == whole[:100]


def test_a_damaged_line_is_reported_with_its_number(tmp_path: Path, record: Record) -> None:
    store.append(tmp_path, record)
    path = store.record_file(tmp_path, "d", "mlp")
    path.write_text(path.read_text() + "{}\n" + path.read_text())
    with pytest.raises(RecordError, match=r"mlp\.jsonl, line 2: kind: Field required"):
        store.read(tmp_path)


def test_a_trial_cannot_hold_test_metrics(record: Record) -> None:
    with pytest.raises(ValidationError, match="a trial must not have test metrics"):
        Record.model_validate({**record.model_dump(), "test": {"auc": 0.9}})


def test_an_incomplete_record_needs_an_error_and_a_complete_one_metrics(record: Record) -> None:
    with pytest.raises(ValidationError, match="status failed needs an error"):
        Record.model_validate({**record.model_dump(), "status": "failed", "valid": None})
    with pytest.raises(ValidationError, match="needs validation metrics"):
        Record.model_validate({**record.model_dump(), "valid": None})


def test_infinity_is_written_as_null(record: Record) -> None:
    text = record.model_copy(update={"seconds": math.inf}).model_dump_json()
    assert "Infinity" not in text and '"seconds":null' in text


def test_timeless_leaves_out_only_times(record: Record) -> None:
    left_out = set(record.model_dump()) - set(record.timeless())
    assert left_out == {"train_seconds", "seconds", "finished"}


def test_a_text_file_is_replaced_atomically(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.md"
    files.write_text(path, "old")

    def disk_full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(RunError, match=r"disk full at .* MB free\); fix this and rerun the command to resume"):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["table.md"]


def test_records_set_aside_repeatedly_for_the_same_data_are_all_kept(tmp_path: Path, record: Record) -> None:
    for trial in range(3):
        store.append(tmp_path, record.model_copy(update={"trial": trial}))
        store.set_aside(tmp_path, "d", "old")
        assert store.read(tmp_path) == []
    for trial, folder in enumerate(("d-old", "d-old-2", "d-old-3")):
        [kept] = store.read_file(tmp_path / "superseded" / folder / "mlp.jsonl")
        assert kept.trial == trial


def test_changed_code_makes_a_checkout_dirty_and_changed_results_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=n", "-c", "user.email=e"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    for folder in ("models", "datamodules", "benchmark", "results"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
    (tmp_path / "pyproject.toml").touch()
    git("init")
    git("add", ".")
    git("commit", "-m", "all")
    monkeypatch.setattr(code, "ROOT", tmp_path)
    dirty = []
    for changed in ("results/new.jsonl", "models/new.py"):
        (tmp_path / changed).touch()
        dirty.append(provenance.provenance.__wrapped__()["dirty"])
    assert dirty == [False, True]


def test_a_record_names_the_commit_of_the_checkout() -> None:
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        pytest.skip("needs a git checkout")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, check=True, capture_output=True, text=True).stdout
    assert provenance.provenance()["commit"] == head.strip()


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="vector instructions of x86")
@pytest.mark.parametrize(("requested", "used"), [(None, "AVX2"), ("default", "DEFAULT")])
def test_vector_instructions_are_avx2_unless_requested_otherwise_and_named_in_the_device(
    requested: str | None, used: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ATEN_CPU_CAPABILITY"}
    program = "from benchmark.records.provenance import device_name; print(device_name('cpu'))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | ({"ATEN_CPU_CAPABILITY": requested} if requested else {}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().endswith(f", {used}")
