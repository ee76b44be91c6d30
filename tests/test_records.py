"""Records: what is written is read back; what a kill or an editor left is noticed."""

import math
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from benchmark.errors import RecordError, RunError
from benchmark.records import files, provenance, store
from benchmark.records.record import Record


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path, record: Record) -> None:
    final = record.model_copy(update={"kind": "final", "test": {"auc": 0.1 + 0.2, "logloss": 1 / 3}, "seed": 2})
    for one in (final, record):
        store.append(tmp_path, one)
    assert store.read(tmp_path) == [record, final]
    assert store.of_study(tmp_path, "d", "mlp", 1.0) == [final, record]
    assert store.of_study(tmp_path, "d", "mlp", 2.0) == []


def test_a_torn_last_line_is_passed_over_and_kept_apart_by_the_next_write(tmp_path: Path, record: Record) -> None:
    store.append(tmp_path, record)
    path = store.record_file(tmp_path, "d", "mlp")
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:100])
    assert store.read(tmp_path) == [record]
    second = record.model_copy(update={"trial": 1})
    store.append(tmp_path, second)
    assert store.read(tmp_path) == [record, second]
    assert path.with_suffix(".torn").read_bytes() == whole[:100]


def test_a_damaged_line_is_named(tmp_path: Path, record: Record) -> None:
    store.append(tmp_path, record)
    path = store.record_file(tmp_path, "d", "mlp")
    path.write_text(path.read_text() + "{}\n" + path.read_text())
    with pytest.raises(RecordError, match=r"mlp\.jsonl, line 2: kind: Field required"):
        store.read(tmp_path)


def test_a_trial_cannot_hold_test_metrics(record: Record) -> None:
    with pytest.raises(ValidationError, match="a trial must not know the test part"):
        Record.model_validate({**record.model_dump(), "test": {"auc": 0.9}})


def test_an_incomplete_record_must_say_why(record: Record) -> None:
    with pytest.raises(ValidationError, match="must say why"):
        Record.model_validate({**record.model_dump(), "status": "failed", "valid": None})
    with pytest.raises(ValidationError, match="needs its metrics"):
        Record.model_validate({**record.model_dump(), "valid": None})


def test_infinity_and_nan_stay_out_of_the_file(record: Record) -> None:
    text = record.model_copy(update={"seconds": math.inf}).model_dump_json()
    assert "Infinity" not in text and '"seconds":null' in text


def test_timeless_leaves_out_only_what_the_clock_decides(record: Record) -> None:
    gone = set(record.model_dump()) - set(record.timeless())
    assert gone == {"train_seconds", "seconds", "finished"}


def test_a_text_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.md"
    files.write_text(path, "old")

    def disk_full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(RunError, match=r"disk full at .* MB free\); mend that and repeat the command"):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["table.md"]


def test_records_of_data_that_went_back_and_forth_are_all_kept(tmp_path: Path, record: Record) -> None:
    for trial in range(3):
        store.append(tmp_path, record.model_copy(update={"trial": trial}))
        store.set_aside(tmp_path, "d", "old")
        assert store.read(tmp_path) == []
    for trial, folder in enumerate(("d-old", "d-old-2", "d-old-3")):
        [kept] = store.read_file(tmp_path / "superseded" / folder / "mlp.jsonl")
        assert kept.trial == trial


def test_a_checkout_is_dirty_by_its_code_and_not_by_its_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> None:
        who = ["-c", "user.name=n", "-c", "user.email=e"]
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    for folder in ("models", "datamodules", "benchmark", "results"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
    (tmp_path / "pyproject.toml").touch()
    git("init")
    git("add", ".")
    git("commit", "-m", "all")
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "benchmark" / "provenance.py"))
    said = []
    for changed in ("results/new.jsonl", "models/new.py"):
        (tmp_path / changed).touch()
        said.append(provenance.provenance.__wrapped__()["dirty"])
    assert said == [False, True]


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="vector instructions of x86")
@pytest.mark.parametrize(("asked", "used"), [(None, "AVX2"), ("default", "DEFAULT")])
def test_the_device_names_its_vector_instructions_the_same_on_all_machines_unless_asked(
    asked: str | None, used: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ATEN_CPU_CAPABILITY"}
    code = "from benchmark.records.provenance import device_name; print(device_name('cpu'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | ({"ATEN_CPU_CAPABILITY": asked} if asked else {}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().endswith(f", {used}")
