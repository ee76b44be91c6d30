"""What the command line says of itself: help, version, lists and completion, all without PyTorch."""

from importlib.metadata import version
from pathlib import Path

import pytest
from processes import command, in_process

KINDS = ["models", "datasets", "protocols", "published", "presets"]
TRAINING = ["run", "plan", "audit", "reproduce", "check", "speed", "train", "predict", "export-model"]


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], *(["list", kind] for kind in KINDS), *([name, "--help"] for name in TRAINING)],
    ids=" ".join,
)
def test_help_version_and_list_do_not_import_torch_and_end_within_a_second(
    arguments: list[str], tmp_path: Path
) -> None:
    done = in_process(arguments, tmp_path)
    *shown, last = done.stdout.splitlines()
    imported, seconds = last.split()
    assert done.returncode == 0 and shown, done.stderr
    assert imported == "False"
    assert float(seconds) < 1  # of the CPU, since other processes of the machine may hold it up


def test_every_kind_that_can_be_listed_has_entries(tmp_path: Path) -> None:
    listings = {kind: command("list", kind, folder=tmp_path).stdout for kind in KINDS}
    for kind, start in (
        ("models", "afn "),
        ("datasets", "avazu_x1 "),
        ("protocols", "avazu_x1_gpu "),
        ("published", "bars_"),
    ):
        assert listings[kind].startswith(start)
    assert "wukong criteo_tb  embedding_dim 128, bottom_mlp [512, 256], layers 2" in listings["presets"]


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    assert command("--version", folder=tmp_path).stdout == f"wukong-bench {version('wukong-bench')}\n"


def test_the_shell_completes_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = command("--help", folder=tmp_path).stdout
    assert "--install-completion" in options and "--show-completion" in options
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")  # the shell is then an argument
    assert "_WUKONG_BENCH_COMPLETE=complete_bash" in in_process(["--show-completion", "bash"], tmp_path).stdout
    monkeypatch.setenv("_WUKONG_BENCH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "wukong-bench le")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert in_process([], tmp_path).stdout.splitlines()[0] == "leaderboard"
