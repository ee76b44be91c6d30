"""Loggers get what the records hold, send nothing, and cannot stop a run."""

import csv
import socket
import sqlite3
from io import StringIO
from pathlib import Path

import pytest
from made_records import make
from rich.console import Console
from tiny_study import study

from benchmark.errors import RunError
from benchmark.execution.progress import loggers
from benchmark.execution.progress.loggers import check_logger, log, logged
from benchmark.records.record import Record
from benchmark.study import Event

FINAL, TRIAL = (next(r for r in make() if r.kind == kind) for kind in ("final", "trial"))
FOLDER = "hotel/mlp/0.1-block-1"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection of this process to another machine."""
    connect = socket.socket.connect

    def local_only(self: socket.socket, address: object) -> None:
        if self.family != socket.AF_UNIX and not (isinstance(address, tuple) and address[0] == "127.0.0.1"):
            raise AssertionError(f"connects to {address}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", local_only)
    for name in (
        "WANDB_MODE",
        "WANDB_SILENT",
        "WANDB_ERROR_REPORTING",
        "MLFLOW_TRACKING_URI",
        "MLFLOW_DISABLE_TELEMETRY",
    ):
        monkeypatch.setenv(name, "")  # restored afterwards
        monkeypatch.delenv(name)


def test_csv_has_the_metrics_of_each_epoch_and_of_the_test_part(tmp_path: Path) -> None:
    log("csv", tmp_path, FINAL)
    log("csv", tmp_path, TRIAL)
    with (tmp_path / FOLDER / "final-0-seed-1" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert FINAL.test is not None
    logged_rows = [{key: float(value) for key, value in row.items() if value} for row in rows]
    assert logged_rows[0] == {
        "step": 1,
        **{k if k == "train_loss" else f"valid_{k}": v for k, v in FINAL.history[0].items()},
    }
    assert {k: v for row in logged_rows for k, v in row.items() if k.startswith("test_")} == {
        f"test_{k}": v for k, v in FINAL.test.items()
    }
    trial = (tmp_path / FOLDER / "trial-0" / "metrics.csv").read_text()
    assert "test_" not in trial and len(trial.splitlines()) == 1 + len(TRIAL.history)
    assert "learning_rate: 0.001" in (tmp_path / FOLDER / "trial-0" / "hparams.yaml").read_text()


def test_tensorboard_has_the_metrics_of_each_epoch(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log("tensorboard", tmp_path, FINAL)
    events = reader.EventAccumulator(str(tmp_path / FOLDER / "final-0-seed-1")).Reload()
    points = [(event.step, event.value) for event in events.Scalars("valid_logloss")]
    assert [step for step, _ in points] == [1, 2]
    assert [value for _, value in points] == pytest.approx([epoch["logloss"] for epoch in FINAL.history])
    assert "test_auc" in events.Tags()["scalars"]


def test_mlflow_has_a_run_per_training_in_a_local_file(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    for record in (FINAL, TRIAL):
        log("mlflow", tmp_path, record)
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        assert {name for (name,) in database.execute("select name from runs")} == {"final-0-seed-1", "trial-0"}
        values = database.execute("select value from metrics where key = 'valid_auc' order by step").fetchall()
        assert len(values) == len(FINAL.history) + len(TRIAL.history)


def test_wandb_stays_offline(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    for record in (FINAL, TRIAL):
        log("wandb", tmp_path, record)
    assert len(list((tmp_path / "wandb").glob("offline-run-*"))) == 2


def test_an_unknown_logger_and_a_missing_extra_are_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda package: None)
    check_logger("csv")
    for name, message in {
        "wandb": r"--logger wandb needs the extra 'wandb': pip install -e '\.\[wandb\]'",
        "cvs": "no logger 'cvs'; use csv, tensorboard, wandb, mlflow",
    }.items():
        with pytest.raises(RunError, match=f"^{message}$"):
            check_logger(name)


def event(record: Record | None) -> Event:
    return Event("hotel/mlp/0.1 block 1", "final", 1, 1.0, record)


def test_a_logger_that_fails_stops_with_a_warning_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("logs").write_text("not a folder")
    console, seen = Console(file=StringIO(), width=200), []
    both = logged("csv", study(tmp_path / "results"), seen.append, console)
    for record in (None, FINAL, TRIAL):
        both(event(record))
    assert [e.finished for e in seen] == [None, FINAL, TRIAL]
    [line] = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert line.startswith("warning: --logger csv stopped: ")


def test_without_a_logger_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[Event] = []
    assert logged(None, study(tmp_path / "results"), seen.append, Console()) == seen.append
    logged("csv", study(tmp_path / "results"), seen.append, Console())(event(FINAL))
    assert (tmp_path / "logs" / "test" / FOLDER / "final-0-seed-1" / "metrics.csv").exists()
