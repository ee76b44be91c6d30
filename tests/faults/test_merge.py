"""Results folders merge by content, and their conflicts are reported."""

from pathlib import Path

import pytest
from commands import PROTOCOL, Truth, first_block, study, truth

from benchmark import protocol as protocols
from benchmark.errors import RecordError, RunError
from benchmark.records import store
from benchmark.records.folder import Folder
from benchmark.records.merge import merge
from benchmark.records.record import Record
from benchmark.tuning import tuner


def folder(path: Path, fingerprint: str = "f") -> Path:
    protocol = protocols.validated(PROTOCOL, "tiny")
    Folder(path).adopt(protocol)
    Folder(path).adopt_data({"synthetic": {"fingerprint": fingerprint}}, protocol)
    return path


def test_studies_run_separately_merge_into_the_records_of_one_machine_without_duplicates(
    tmp_path: Path, whole: Truth
) -> None:
    for model in ("mlp", "dcnv2"):
        tuner.run(study(folder(tmp_path / model), model))
    together = tmp_path / "together"
    together.mkdir()
    assert merge(together, [tmp_path / "mlp", tmp_path / "dcnv2"]) == (6, [])
    assert truth(together) == first_block(whole, "mlp", "dcnv2")
    assert merge(together, [tmp_path / "mlp"]) == (0, [])
    assert (together / "protocol.toml").read_text() == (tmp_path / "mlp" / "protocol.toml").read_text()


def test_conflicts_are_reported_and_nothing_is_added(tmp_path: Path, record: Record) -> None:
    a, b = folder(tmp_path / "a"), folder(tmp_path / "b")
    store.append(a, record)
    store.append(b, record.model_copy(update={"seed": 7, "seconds": 99.0}))
    store.append(b, record.model_copy(update={"trial": 1}))
    with pytest.raises(RecordError, match=rf"1 conflict\(s\): d/mlp/1 block 1 trial 0 in {a} and {b}: seed$"):
        merge(a, [b])
    assert store.read(a) == [record]


def test_folders_with_different_data_do_not_merge(tmp_path: Path, record: Record) -> None:
    a, b = folder(tmp_path / "a"), folder(tmp_path / "b", "other")
    store.append(a, record)
    store.append(b, record.model_copy(update={"trial": 1}))
    with pytest.raises(RunError, match="synthetic f -> other"):
        merge(a, [b])
    assert store.read(a) == [record]
