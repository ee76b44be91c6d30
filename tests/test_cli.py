"""The command line as users see it: real processes, real exit codes, one clear line when something is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import command, in_process

from benchmark import protocol as protocols
from benchmark.cli.main import main
from benchmark.protocol.numbers import TOLERANCE
from benchmark.records import store

TINY = """
title = "Tiny"
datasets = ["synthetic"]
models = ["mlp", "dlrm"]
budgets = [0.1, 0.4]
embedding_dim = 4
[training]
batch_size = 512
train_rows = 2048
[search]
blocks = 1
trials = 2
[final]
seeds = [1, 2]
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Return a folder in which the tiny protocol has run, and the finished process."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "tiny.toml").write_text(TINY)
    return folder, command("run", "tiny.toml", folder=folder)


def test_a_run_leaves_a_self_contained_folder(tiny: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = tiny
    assert done.returncode == 0, done.stderr
    results = folder / "results" / "tiny"
    for name in (
        "protocol.toml",
        "datasets/synthetic.json",
        "records/synthetic/mlp.jsonl",
        "records/synthetic/dlrm.jsonl",
        "tables/synthetic_quality.md",
        "tables/synthetic_quality.csv",
        "figures/synthetic_quality_against_compute.png",
        "figures/synthetic_quality_against_compute.svg",
    ):
        assert (results / name).stat().st_size > 0, name
    records = store.read(results)
    assert len(records) == 4 * (2 + 2) and {r.status for r in records} == {"complete"}
    assert all(abs((r.training_flops or 0) / (r.budget * 1e6) - 1) <= TOLERANCE for r in records)
    rows = (results / "tables" / "synthetic_quality.csv").read_text().splitlines()
    assert len(rows) == 1 + 4


def test_running_again_trains_nothing_and_says_so(tiny: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = tiny
    before = (folder / "results/tiny/records/synthetic/mlp.jsonl").read_bytes()
    again = command("run", "tiny.toml", folder=folder)
    assert again.returncode == 0 and "nothing to train, all 4 studies are finished" in again.stdout
    assert (folder / "results/tiny/records/synthetic/mlp.jsonl").read_bytes() == before


def test_a_run_in_two_processes_and_in_one_leave_the_same_records(
    tiny: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    folder, _ = tiny
    one = command("run", str(folder / "tiny.toml"), "--jobs", "1", folder=tmp_path)
    assert one.returncode == 0, one.stderr
    mine, theirs = (store.read(path / "results" / "tiny") for path in (folder, tmp_path))
    assert [r.timeless() for r in mine] == [r.timeless() for r in theirs]


def test_results_hold_no_path_user_or_host_name(tiny: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = tiny
    secrets = {str(folder), str(Path.home()), os.uname().nodename}
    for path in (folder / "results").rglob("*"):
        if path.is_file() and path.suffix not in (".png", ".db"):
            text = path.read_text(errors="replace")
            assert not [secret for secret in secrets if len(secret) > 5 and secret in text], path


def test_status_and_report_read_the_records(tiny: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = tiny
    status = command("status", "tiny", folder=folder)
    assert status.stdout.startswith("tiny: 4 of 4 studies finished")
    assert "synthetic/dlrm/0.4: 1/1 blocks, 2/2 trials, 2/2 final runs, 0 failed, finished" in status.stdout
    table = folder / "results/tiny/tables/synthetic_quality.md"
    written = table.read_bytes()
    table.unlink()
    assert command("report", "tiny", folder=folder).returncode == 0
    assert table.read_bytes() == written


def test_more_models_and_budgets_join_a_folder_but_another_protocol_does_not(
    tiny: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = tiny
    refused = command("run", "tiny.toml", "--set", "search.trials=3", folder=folder)
    assert refused.returncode == 2
    assert "tiny holds results of another protocol: search.trials 2 -> 3" in refused.stderr
    joined = command("run", "tiny.toml", "--models", "mlp", "--budgets", "0.2", folder=folder)
    assert joined.returncode == 0, joined.stderr
    resolved = protocols.load(str(folder / "results/tiny/protocol.toml"))
    assert resolved.budgets == (0.1, 0.4, 0.2) and resolved.models == ("mlp", "dlrm")
    added = [r for r in store.read(folder / "results/tiny") if r.budget == 0.2]
    assert len(added) == 4 and added[0].overrides == ("budgets=[0.2]", 'models=["mlp"]')


def test_plan_says_what_would_run_and_trains_nothing(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    done = command("plan", "tiny.toml", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        "synthetic/mlp/0.1" in done.stdout
        and "4 studies of 1 block, each of 2 trials, 0 retrials and 2 final runs" in done.stdout
    )
    assert not (tmp_path / "results").exists()


def test_changes_win_over_the_smallest_form(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    changes = ["--set", "search.trials=2", "--set", "training.train_rows=1000", "--models", "mlp", "--budgets", "0.1"]
    done = command("run", "tiny.toml", "--smoke", "--name", "mine", *changes, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    records = store.read(tmp_path / "results" / "mine-smoke")
    assert [r.kind for r in records] == ["trial", "trial", "final"]
    assert {r.examples for r in records} == {1000}
    assert {"search.trials=2", "training.train_rows=1000", 'name="mine-smoke"'} <= set(records[0].overrides)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "quickstrat"], "no protocol 'quickstrat'; did you mean 'quickstart'?"),
        (["run", "quickstart", "--models", "wukonk"], "no model 'wukonk'; did you mean 'wukong'?"),
        (["run", "quickstart", "--datasets", "hotels"], "no data set 'hotels'; did you mean 'hotel'?"),
        (["run", "quickstart", "--set", "training.epoch=2"], "no key 'training.epoch'; did you mean 'epochs'?"),
        (["run", "quickstart", "--set", "trials"], "--set trials: expected KEY=VALUE"),
        (["run", "quickstart", "--budgets", "low"], "budgets.0: 'low' is not allowed; use a finite number above 0"),
        (["run", "quickstart", "--device", "gpu"], "no device 'gpu'; (auto, cpu, cuda, cuda:N)"),
        (["run", "smoke", "--budgets", "0.0001"], "no width meets 0.0001 training MFLOP per example"),
        (
            ["run", "smoke", "--datasets", "frappe", "--data", "nowhere"],
            "frappe_x1: no folder with train.csv, valid.csv",
        ),
        (["run", "none.toml"], "none.toml: no such file"),
        (["run"], "which protocol?"),
        (["run", "smoke", "--job", "2"], "No such option"),
        (["status", "smoke"], "no results in results/smoke"),
        (["report", "smoke"], "no results in results/smoke"),
        (["list", "modles"], "did you mean 'models'?"),
        (["rnu"], "No such command 'rnu'"),
    ],
)
def test_what_the_user_can_fix_is_one_line_and_exit_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    refused_in_one_line(arguments, message, monkeypatch, capsys)


def refused_in_one_line(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["wukong-bench", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    lines = capsys.readouterr().err.strip().splitlines()
    assert stop.value.code == 2
    assert len(lines) == 1 and lines[0].startswith("wukong-bench: ") and message in lines[0], lines


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("train.csv", "", "train.csv: the file is empty"),
        ("valid.csv", "label,user\n2,1\n", "no column 'item'"),
        ("test.csv", None, "the test part has only one class"),
        ("train.csv", "bad label", "line 2: label is 'x'; expected 0 or 1"),
    ],
)
def test_bad_data_is_one_line_and_exit_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: str,
    text: str | None,
    message: str,
) -> None:
    header = "label,user,item,daytime,weekday,isweekend,homework,cost,weather,country,city\n"
    for split in ("train", "valid", "test"):
        (tmp_path / f"{split}.csv").write_text(header + "1" + ",1" * 10 + "\n" + "0" + ",2" * 10 + "\n")
    rows = {None: header + ("1" + ",1" * 10 + "\n") * 2, "bad label": header + "x" + ",1" * 10 + "\n"}
    (tmp_path / file).write_text(rows.get(text, text or ""))
    monkeypatch.chdir(tmp_path)
    arguments = ["run", "smoke", "--datasets", "frappe", "--data", str(tmp_path)]
    refused_in_one_line(arguments, message, monkeypatch, capsys)


def test_a_results_folder_that_cannot_be_written_is_refused_before_torch_is_loaded(tmp_path: Path) -> None:
    """A file stands in place of the folder, because tests may run as root, whom permissions do not stop."""
    (tmp_path / "results").write_text("")
    done = in_process(["run", "quickstart"], tmp_path)
    assert done.returncode == 2 and "cannot write to results/quickstart" in done.stderr
    assert done.stdout.startswith("False ")


def test_two_runs_cannot_share_a_folder(tmp_path: Path) -> None:
    from filelock import FileLock

    (tmp_path / "results" / "smoke").mkdir(parents=True)
    with FileLock(tmp_path / "results" / "smoke" / ".lock"):
        done = command("run", "smoke", folder=tmp_path)
    assert done.returncode == 2 and "results/smoke is in use by another run" in done.stderr


def test_changed_data_do_not_join_a_folder(tmp_path: Path) -> None:
    header = "label,user,item,daytime,weekday,isweekend,homework,cost,weather,country,city\n"
    for split in ("train", "valid", "test"):
        (tmp_path / f"{split}.csv").write_text(header + ("1" + ",1" * 10 + "\n" + "0" + ",2" * 10 + "\n") * 50)
    arguments = ["run", "smoke", "--models", "mlp", "--budgets", "0.1", "--datasets", "frappe", "--data", str(tmp_path)]
    assert command(*arguments, folder=tmp_path).returncode == 0
    (tmp_path / "test.csv").write_text(header + ("1" + ",1" * 10 + "\n" + "0" + ",2" * 10 + "\n") * 60)
    refused = command(*arguments, folder=tmp_path)
    assert refused.returncode == 2 and "smoke holds results on other data: frappe " in refused.stderr
    facts = json.loads((tmp_path / "results/smoke/datasets/frappe.json").read_text())
    assert facts["title"] == "Frappe_x1 (train, valid, test not as published)"
