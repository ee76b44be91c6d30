"""Text from files reaches the terminal as text: no markup, no escape sequence, and no traceback on an old console."""

import io
import os
import re
import shutil
import subprocess
import sys
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import make, protocol
from processes import ENVIRONMENT
from rich.table import Table
from rich.text import Text

import datamodules
from benchmark.cli.main import main
from benchmark.output import Screen, one_line, printable
from benchmark.records import files, store
from datamodules.base import CTRDataModule, Delimited, find_files

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


class Clicks(CTRDataModule):
    title, licence, citation = "Clicks", "generated", "none"
    dense_fields, sparse_fields = ("price",), ("site", "device")

    def sources(self):
        return find_files("clicks", ("train.csv", "valid.csv", "test.csv"), self.data_dir, "Make them")

    def read(self):
        return {path.stem: Delimited(path).read() for path in self.sources()}


@pytest.fixture
def wukong_bench(monkeypatch, capsys):
    """Return a function that runs a command in this process and returns exit code, output and errors."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["wukong-bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        return stop.value.code or 0, *capsys.readouterr()

    return run


@pytest.fixture
def clicks(monkeypatch, shared, tmp_path):
    """Return a folder with the reported case and make its data set known."""
    monkeypatch.setattr(datamodules, "load", lambda name: Clicks)
    monkeypatch.setenv("COLUMNS", "250")
    for path in (shared / "cases" / "csv_markup_in_header").glob("*.csv"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["[/b]", "[red]x", "[link=file:///etc/passwd]x", ":smile:", "{x}", "%s", "\\[b]"])
def test_a_column_name_that_looks_like_markup_is_shown_as_it_is(wukong_bench, clicks, name):
    for path in clicks.glob("*.csv"):
        path.write_text(path.read_text().replace("[/b]", name))
    code, out, _ = wukong_bench("data", "prepare", "clicks", "--source", clicks)
    assert code == 0 and name in out


def test_an_escape_sequence_in_a_column_name_reaches_neither_output_nor_errors(wukong_bench, clicks):
    for path in clicks.glob("*.csv"):
        path.write_text(path.read_text().replace("[/b]", "\x1b[2J\x1b[31mcol\u202e"))
    code, out, _ = wukong_bench("data", "prepare", "clicks", "--source", clicks)
    assert code == 0 and "[2J" in out and not CONTROL.search(out)
    shutil.copy(clicks / "escape_in_refusal.csv", clicks / "train.csv")
    code, out, err = wukong_bench("data", "prepare", "clicks", "--source", clicks)
    assert code == 2 and "no column 'site'; did you mean 'sitee'? it has label" in err
    assert not CONTROL.search(out + err) and err.count("\n") == 1


def test_an_escape_sequence_in_a_record_protocol_option_or_path_does_not_reach_the_terminal(
    wukong_bench, shared, tmp_path
):
    folder = tmp_path / "results"
    (folder / "records" / "synthetic").mkdir(parents=True)
    shutil.copy(shared / "cases/record_key_with_escape/protocol.toml", folder)
    shutil.copy(shared / "cases/record_key_with_escape/wukong.jsonl", folder / "records/synthetic")
    hostile = tmp_path / "hostile.toml"
    hostile.write_text('"\\u001b[2Jkey" = 1\n')
    for arguments in (
        ("report", folder),
        ("plan", hostile),
        ("plan", "quickstart", "--models", "\x1b[31mmlp"),
        ("plan", "quickstart", "--set", "\x1b[31m=1"),
        ("report", f"{tmp_path}/\x1b[31m\n"),
        ("list", "\x1b[31m"),
        ("\x1b[31m",),
    ):
        code, out, err = wukong_bench(*arguments)
        assert code == 2 and err.count("\n") == 1 and not CONTROL.search(out + err), (arguments, err)


@given(st.text(), st.booleans())
def test_a_screen_lets_no_control_character_through(text, terminal):
    screen = Screen()
    screen.file, screen._force_terminal = io.StringIO(), terminal
    table = Table(title=text)
    table.add_column(text)
    table.add_row(text)
    screen.print(text, Text(text), sep="")
    screen.print(table)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", screen.file.getvalue())  # rich's own styles
    assert not CONTROL.search(shown)
    assert not CONTROL.search(one_line(text)) and "\n" not in one_line(text)
    assert printable(printable(text)) == printable(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a results folder with made-up records."""
    folder = tmp_path_factory.mktemp("results")
    files.write_text(folder / "protocol.toml", protocol().toml())
    for record in make(models=["mlp", "dlrm"], budgets=[0.1, 0.4], protocol_id=protocol().identity()):
        store.append(folder, record)
    return folder


@pytest.mark.parametrize(
    ("encoding", "command"),
    [
        ("ascii", ("report",)),
        *(pytest.param(encoding, ("report",), marks=pytest.mark.slow) for encoding in ("latin-1", "cp1252", "utf-8")),
        *product(["ascii", "latin-1", "cp1252", "utf-8"], [("status",), ("list", "models"), ("list", "published")]),
    ],
)
def test_a_console_that_is_not_utf_8_gets_replacements(folder, encoding, command):
    arguments = [*command, str(folder)] if command[0] != "list" else command
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", *arguments],
        env={**os.environ, **ENVIRONMENT, "PYTHONIOENCODING": encoding, "LC_ALL": "C"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode(encoding)


HOSTILE_STYLE = (
    "text.usetex: True\nfont.family: no such font\naxes.prop_cycle: cycler('color', ['ff0000'])\nfigure.dpi: 7\n"
)
DRAW = """
import sys
from pathlib import Path
from benchmark import findings
from benchmark.reports import plots
found = findings.read(Path(sys.argv[1]))
with plots.styled():
    figure = plots.figures_of(found, "hotel")["quality_against_compute"]
plots.save(figure, Path(sys.argv[2]), pdf=True)
"""


@pytest.mark.slow
def test_a_users_matplotlibrc_changes_no_figure(folder, tmp_path):
    drawn = {}
    for name, style in (("plain", ""), ("hostile", HOSTILE_STYLE + "backend: TkAgg\nsvg.fonttype: path\n")):
        place = tmp_path / name
        place.mkdir()
        (place / "matplotlibrc").write_text(style)
        command = [sys.executable, "-c", DRAW, str(folder), str(place / "figure")]
        done = subprocess.run(command, cwd=place, env={**os.environ, **ENVIRONMENT}, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        drawn[name] = [(place / f"figure{suffix}").read_bytes() for suffix in (".png", ".svg", ".pdf")]
    assert drawn["plain"] == drawn["hostile"]
