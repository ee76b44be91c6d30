"""PostgreSQL as storage: the same records, no password in files or output, and a server that goes down and returns."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import Truth, finish, first_block, kill_group, start, study, truth, wait_for_records
from postgres import Server

from benchmark.errors import RunError
from benchmark.study import Study
from benchmark.tuning import storage, tuner


def on(server: Server, folder: Path, model: str = "mlp") -> Study:
    one = study(folder, model)
    return replace(one, storage=storage.storage_url(server.url, folder), namespace=folder.name, run="one")


def test_a_killed_run_on_postgresql_resumes_and_ends_with_the_records_of_sqlite(
    server: Server, tmp_path: Path, whole: Truth
) -> None:
    process = start(tmp_path, "--jobs", "2", "--storage", server.url)
    wait_for_records(process, tmp_path / "tiny", 3)
    kill_group(process)
    said = finish(tmp_path, "--jobs", "2", "--storage", server.url)
    assert truth(tmp_path / "tiny") == whole
    assert not (tmp_path / "tiny" / "study.db").exists()
    files = [path.read_bytes() for path in (tmp_path / "tiny").rglob("*") if path.is_file()]
    assert not any(server.password.encode() in content for content in [*files, said.encode()])


def test_a_password_on_the_command_line_is_refused_and_not_repeated(tmp_path: Path) -> None:
    for url in ("postgresql://me:hunter2@host/db", "postgresql://me@host/db?password=hunter2"):
        said = finish(tmp_path, "--storage", url, code=2)
        assert "$PGPASSWORD" in said and "hunter2" not in said


def test_a_database_outage_of_ten_seconds_loses_nothing(server: Server, tmp_path: Path, whole: Truth) -> None:
    one = on(server, tmp_path / "gone")
    back: list[threading.Timer] = []

    def goes_away(event: Any) -> None:
        if event.finished and event.finished.kind == "trial" and event.finished.trial == 1:
            server.stop()
            back.append(threading.Timer(10, server.start))
            back[0].start()

    began = time.monotonic()
    tuner.run(one, goes_away)
    back[0].join()
    assert time.monotonic() - began > 10
    assert truth(one.results) == first_block(whole, "mlp")


def test_a_database_that_stays_unreachable_gives_a_one_line_error_after_the_last_retry(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "BACK_OFF", (0.01, 0.01))
    one = replace(on(server, tmp_path), storage="postgresql+psycopg://bench@127.0.0.1:1/postgres")
    with pytest.raises(RunError, match=r"the storage postgresql.*127\.0\.0\.1:1/postgres is out of reach"):
        tuner.run(one)


def test_two_folders_on_one_server_do_not_interfere(server: Server, tmp_path: Path, whole: Truth) -> None:
    first, second = (on(server, tmp_path / name) for name in ("a", "b"))
    tuner.run(first)
    tuner.run(second)
    assert truth(first.results) == truth(second.results) == first_block(whole, "mlp")
