"""Damaged files are named in one line, moved aside or made anew; none ends in a traceback, and no record is lost."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from made_records import folder as write_folder
from made_records import make, protocol
from test_data_faults import GOOD, Three, folder_with

from benchmark import protocol as protocols
from benchmark.cli.main import main
from benchmark.execution import known_data
from benchmark.execution.studies import studies_of
from benchmark.records import store
from benchmark.tuning import storage, tuner
from datamodules.base import CTRDataModule, DataError, card
from datamodules.base.cache import remembered_digest

CUTS = {"cut": lambda whole: whole[: len(whole) // 2], "empty": lambda whole: b"", "other": lambda whole: b"[1, 2]"}


@pytest.fixture
def encoded(tmp_path, monkeypatch):
    """Return an encoded data set in a cache of its own."""
    monkeypatch.setenv("WUKONG_BENCH_CACHE", str(tmp_path / "cache"))
    data = Three(folder_with(tmp_path, GOOD + "1,3,c\n"))
    data.prepare_data()
    return data


@pytest.mark.parametrize("kind", CUTS)
@pytest.mark.parametrize(
    "name", ["meta.json", "vocabulary.parquet", *(f"train/{kind}.npy" for kind in ("label", "dense", "sparse"))]
)
def test_verify_names_a_damaged_file_of_the_encoded_cache(encoded, name, kind):
    path = encoded.folder / name
    path.write_bytes(CUTS[kind](path.read_bytes()))
    again = Three(encoded.data_dir)
    with pytest.raises(
        DataError, match=r"three-[0-9a-f]+: damaged \(.*\); remove the folder and rerun to encode it again"
    ):
        CTRDataModule.verify(again)  # a RecZoo set compares published sums first
    shutil.rmtree(again.folder)
    assert CTRDataModule.verify(Three(encoded.data_dir))


def test_the_card_and_the_batches_of_cut_arrays_are_one_line_too(encoded):
    path = encoded.folder / "train" / "sparse.npy"
    path.write_bytes(path.read_bytes()[:-3])
    for use in (card.fields, card.duplicates, lambda data: data.train_dataloader()):
        with pytest.raises(DataError, match="damaged"):
            use(Three(encoded.data_dir))


def test_a_damaged_note_in_the_cache_is_made_anew(encoded, tmp_path):
    digest = remembered_digest(tmp_path / "train.csv")
    notes = list((tmp_path / "cache" / "digests").iterdir())
    for note in notes:
        note.write_text("")
    assert remembered_digest(tmp_path / "train.csv") == digest
    about = known_data.encoded("hotel", None, 4096)
    for damage in ("", "[]", "{}", '{"sources": 1, "facts": 2}'):
        known_data._file("hotel", None, 4096).write_text(damage)
        assert known_data.facts("hotel", None, 4096) is None
    known_data.encoded("hotel", None, 4096)
    assert known_data.facts("hotel", None, 4096)["fingerprint"] == about["fingerprint"]


def study(results):
    values = {
        "name": "p", "datasets": ["hotel"], "models": ["lr"], "budgets": [0.1], "embedding_dim": 4,
        "training": {"train_rows": 2048}, "search": {"trials": 2, "blocks": 1}, "final": {"seeds": [1]},
    }  # fmt: skip
    (one,) = studies_of(protocols.validated(values, "p"), results)
    return replace(one, storage=storage.storage_url(None, results))


@pytest.mark.parametrize("damage", [b"hello", b"\0" * 5000, b"SQLite format 3\0" + b"x" * 5000, None])
def test_a_storage_that_is_no_database_is_moved_aside_and_rebuilt_from_the_records(tmp_path, damage):
    one = study(tmp_path)
    tuner.run(one)
    records = store.read(tmp_path)
    file = tmp_path / "study.db"
    file.write_bytes(file.read_bytes()[:-5000] if damage is None else damage)
    assert storage.create_studies([one]) == tmp_path / "study.db.damaged"
    tuner.run(one)
    assert store.read(tmp_path) == records
    assert storage.create_studies([one]) is None


@pytest.mark.parametrize("name", ["q?x", "a%20b", "h#x", "blank s", "ünïcode 日", "b{race}", "x" * 200, "a&b=c;'\""])
def test_the_storage_lies_in_the_results_folder_whatever_its_name(tmp_path, name):
    results = tmp_path / name
    results.mkdir()
    one = study(results)
    storage.create_studies([one])
    assert storage.sqlite_file(one.storage) == results / "study.db" and (results / "study.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("kind", [*CUTS, "folder"])
@pytest.mark.parametrize(
    "name", ["protocol.toml", "datasets/hotel.json", ".report.json", "row_noise/hotel.json", "records/hotel/mlp.jsonl"]
)
@pytest.mark.usefixtures("without_figures")
def test_a_damaged_file_of_a_results_folder_is_one_line_or_made_anew(tmp_path, monkeypatch, capsys, name, kind):
    made = make(models=["mlp", "dlrm"], budgets=[0.1], protocol_id=protocol().identity())
    results = write_folder(tmp_path / "made", made, protocol())
    path = results / name
    path.parent.mkdir(exist_ok=True)
    whole = path.read_bytes() if path.exists() else json.dumps({"records": "x"}).encode()
    path.unlink(missing_ok=True)
    path.mkdir() if kind == "folder" else path.write_bytes(CUTS[kind](whole))
    for command in ("status", "report"):
        monkeypatch.setattr(sys, "argv", ["wukong-bench", command, str(results)])
        with pytest.raises(SystemExit) as stop:
            main()
        err = capsys.readouterr().err
        assert (stop.value.code or 0) in (0, 2)
        assert stop.value.code in (0, None) or err.count("\n") == 1, err
        assert stop.value.code in (0, None) or Path(name).name in err or (name, kind) == ("protocol.toml", "folder"), (
            err
        )
