"""Full disks, read-only folders, torn and truncated files."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import Truth, finish, first_block, study, truth

from benchmark.errors import RecordError, RunError
from benchmark.records import store
from benchmark.records.folder import claimed
from benchmark.records.record import Record
from benchmark.tuning import storage, tuner


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An 8 MB file system."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", place], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("needs the right to mount a small file system")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_ends_the_run_with_a_one_line_error_and_loses_no_finished_trial(
    small_disk: Path, tmp_path: Path, whole: Truth
) -> None:
    one = study(small_disk)
    storage.open_study(one)
    ballast = small_disk / "ballast"
    free = os.statvfs(small_disk)
    ballast.write_bytes(b"x" * (free.f_bavail * free.f_bsize - 3 * 4096))
    with pytest.raises(RunError, match=rf"disk full at {small_disk}.*MB free.*rerun the command"):
        tuner.run(one)
    before = truth(small_disk)
    ballast.unlink()
    tuner.run(one)
    mlp = first_block(whole, "mlp")
    assert truth(small_disk) == mlp and before == mlp[: len(before)]


def test_a_short_write_leaves_the_records_unchanged(
    tmp_path: Path, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An almost full disk writes a part of the line and reports no error."""
    store.append(tmp_path, record)
    path = store.record_file(tmp_path, "d", "mlp")
    whole, write = path.read_bytes(), os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:50]))
        with pytest.raises(RunError, match="disk full"):
            store.append(tmp_path, record)
    assert path.read_bytes() == whole


def test_an_unwritable_folder_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(RunError, match=r"cannot write to .*file/tiny: Not a directory"),
        claimed(tmp_path / "file" / "tiny"),
    ):
        pass


def test_a_truncated_last_record_is_skipped_and_a_corrupt_line_is_reported(tmp_path: Path, record: Record) -> None:
    store.append(tmp_path, record)
    path = store.record_file(tmp_path, "d", "mlp")
    whole = path.read_bytes()
    for cut in range(0, len(whole) - 1, 37):
        path.write_bytes(whole + whole[:cut])
        assert store.read(tmp_path) == [record]
    path.write_bytes(whole + b"\x00\xff" + whole)
    with pytest.raises(RecordError, match=r"mlp\.jsonl, line 2"):
        store.read(tmp_path)


def test_a_storage_ahead_of_the_records_is_made_to_match_them(tmp_path: Path, whole: Truth) -> None:
    """Only the records count: extra trials in the storage do not influence the sampler."""
    one = study(tmp_path)
    tuner.run(one)
    path = store.record_file(tmp_path, "synthetic", "mlp")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    tuner.run(one)
    assert truth(tmp_path) == first_block(whole, "mlp")


def test_a_storage_file_that_is_not_a_database_is_moved_aside_and_rebuilt(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir(parents=True)
    (tmp_path / "tiny" / "study.db").write_bytes(b"not a database" * 1000)
    said = finish(tmp_path, "--jobs", "1", models=["mlp"])
    assert "the storage was damaged; it was moved to" in said and "Traceback" not in said
    assert (tmp_path / "tiny" / "study.db.damaged").read_bytes() == b"not a database" * 1000
    assert len(store.read(tmp_path / "tiny")) == 6


def test_sqlite_on_a_network_file_system_is_detected(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"none / ext4 rw 0 0\nserver:/export {tmp_path} nfs4 rw 0 0\n")
    assert storage.on_network(tmp_path / "results", mounts) == "nfs4"
    mounts.write_text("none / ext4 rw 0 0\n")
    assert storage.on_network(tmp_path / "results", mounts) is None


def _changed(tmp_path: Path, *arguments: str, code: int, **changes: Any) -> str:
    return finish(tmp_path, "--jobs", "1", *arguments, code=code, **{"models": ["mlp"], **changes})


def test_a_changed_protocol_is_refused_listing_differences_or_accepted_and_recorded(tmp_path: Path) -> None:
    search = {"blocks": 1, "trials": 1, "dropout": [0.0, 0.2]}
    _changed(tmp_path, code=0, search=search, final={"seeds": [1]})
    search["trials"] = 2
    said = _changed(tmp_path, code=2, search=search, final={"seeds": [1, 2]})
    assert "holds results of another protocol: final.seeds [1] -> [1, 2]; search.trials 1 -> 2." in said
    assert "--accept-changes" in said
    _changed(tmp_path, "--accept-changes", code=0, search=search, final={"seeds": [1, 2]})
    found = store.read(tmp_path / "tiny")
    first = found[0]
    assert first.accepted == () and {r.protocol_id for r in found} == {first.protocol_id}
    assert all(any("search.trials 1 -> 2" in change for change in r.accepted) for r in found[1:] if r.trial == 1)
    assert sum(r.kind == "trial" for r in found) == 2
