"""A results folder that has lost a file says so, and never takes the loss for consent."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from made_records import folder, make, protocol

from benchmark.errors import RunError
from benchmark.records import store
from benchmark.records.folder import Folder
from benchmark.reports.write import write_report

FACTS: dict[str, dict[str, Any]] = {"hotel": {"fingerprint": "f00d"}}


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    return folder(tmp_path / "made", make(("mlp", "wukong"), budgets=(0.1,)), facts={"fingerprint": "f00d"})


def test_a_lost_protocol_is_restored_and_reported_if_the_records_are_its_own(finished: Path) -> None:
    (finished / "protocol.toml").unlink()
    again = Folder(finished)
    again.adopt(protocol())
    assert again.notes == [f"{finished / 'protocol.toml'} was missing and has been restored"]
    assert (finished / "protocol.toml").is_file()


def test_records_of_another_protocol_are_refused_where_the_protocol_is_lost(finished: Path) -> None:
    (finished / "protocol.toml").unlink()
    with pytest.raises(
        RunError, match=r"holds results of another protocol: protocol\.toml is missing; its records have"
    ):
        Folder(finished).adopt(protocol(search={"trials": 3}))
    assert not (finished / "protocol.toml").exists()


def test_lost_facts_about_data_are_restored_and_reported_if_the_fingerprint_is_the_records(finished: Path) -> None:
    (finished / "datasets" / "hotel.json").unlink()
    again = Folder(finished)
    again.adopt_data(FACTS, protocol())
    assert again.notes == [f"{finished / 'datasets' / 'hotel.json'} was missing and has been restored"]
    assert json.loads((finished / "datasets" / "hotel.json").read_text()) == FACTS["hotel"]


def test_other_data_are_refused_where_the_facts_are_lost(finished: Path) -> None:
    (finished / "datasets" / "hotel.json").unlink()
    with pytest.raises(RunError, match=r"holds results on other data: hotel f00d -> beef"):
        Folder(finished).adopt_data({"hotel": {"fingerprint": "beef"}}, protocol())
    assert not (finished / "datasets" / "hotel.json").exists()
    Folder(finished, accept=True).adopt_data({"hotel": {"fingerprint": "beef"}}, protocol())
    assert store.read(finished) == [] and (finished / "superseded" / "hotel-f00d").is_dir()


def test_an_intact_folder_has_nothing_to_report(finished: Path) -> None:
    again = Folder(finished)
    again.adopt(protocol())
    again.adopt_data(FACTS, protocol())
    assert again.notes == []


@pytest.mark.slow
def test_a_report_is_drawn_again_only_if_something_changed(finished: Path) -> None:
    def drawn() -> int:
        return (finished / "report.html").stat().st_mtime_ns

    write_report(finished)
    first = drawn()
    write_report(finished)
    assert drawn() == first
    table = finished / "tables" / "hotel_quality.md"
    before = table.read_bytes()
    table.write_bytes(b"edited")
    write_report(finished)
    assert drawn() > first and table.read_bytes() == before
    second = drawn()
    records = store.record_file(finished, "hotel", "mlp")
    records.write_bytes(b"".join(records.read_bytes().splitlines(keepends=True)[:-1]))
    write_report(finished)
    assert drawn() > second


@pytest.mark.slow
def test_the_figures_of_a_data_set_are_drawn_again_only_if_its_own_records_or_files_changed(tmp_path: Path) -> None:
    names = ("alpha", "beta", "gamma")
    made = [r for name in names for r in make(("mlp", "wukong"), budgets=(0.1,), dataset=name)]
    path = folder(tmp_path, made, facts={"fingerprint": "f00d"})

    def drawn() -> dict[str, list[int]]:
        times = {name: sorted(path.glob(f"figures/{name}_*")) for name in names}
        return {name: [file.stat().st_mtime_ns for file in files] for name, files in times.items()}

    write_report(path)  # several data sets: in processes of their own
    first = drawn()
    assert all(len(files) > 6 for files in first.values())
    records = store.record_file(path, "alpha", "mlp")
    records.write_bytes(b"".join(records.read_bytes().splitlines(keepends=True)[:-1]))
    next(path.glob("figures/beta_*.svg")).write_text("edited")
    write_report(path)
    second = drawn()
    assert all(min(second[name]) > max(first[name]) for name in ("alpha", "beta")) and second["gamma"] == first["gamma"]
    content = {file: file.read_bytes() for file in path.glob("figures/*")}
    (path / ".report.json").unlink()
    write_report(path)
    assert {file: file.read_bytes() for file in path.glob("figures/*")} == content


FINISHED = """
    import sys
    sys.argv[1:] = ["run", "tiny.toml", "--jobs", "1"]
    from benchmark.cli.main import main
    try:
        main()
    finally:
        print("loaded", sorted({"torch", "lightning", "matplotlib", "optuna"} & sys.modules.keys()))
"""


@pytest.mark.slow
def test_a_finished_run_names_changed_code_and_loads_neither_torch_nor_matplotlib(tmp_path: Path) -> None:
    tiny = {"name": "tiny", "datasets": ["synthetic"], "models": ["lr"], "budgets": [0.1], "embedding_dim": 4}
    changes = {"training.train_rows": 2000, "search.trials": 1, "final.seeds": [1]}
    values = " ".join(f"--set {key}={json.dumps(value).replace(' ', '')}" for key, value in changes.items())
    lines = [f"{key} = {json.dumps(value)}" for key, value in tiny.items()]
    (tmp_path / "tiny.toml").write_text("\n".join(lines) + "\n")

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(sys.executable, "-m", "benchmark", "run", "tiny.toml", "--jobs", "1", *values.split())
    program = "\n".join(line.removeprefix("    ") for line in FINISHED.splitlines())
    program = program.replace('"1"]', f'"1", *{values.split()}]')
    said = run(sys.executable, "-c", program)
    assert "nothing to train" in said and "note:" not in said and said.rstrip().endswith("loaded []")
    made_with = tmp_path / "results" / "tiny" / "made_with.json"
    kept = json.loads(made_with.read_text())
    kept["models"]["lr"] = "0" * 12
    made_with.write_text(json.dumps(kept))
    assert "note: finished with different code: synthetic/lr/0.1: models.lr 000000000000 -> " in run(
        sys.executable, "-c", program
    )
    made_with.unlink()
    assert "made_with.json is missing: whether the code is the same cannot be told" in run(
        sys.executable, "-c", program
    )
    assert not made_with.exists()
