"""Names come from records that anybody may send: they are harmless in every format."""

import csv
import io
import re

import pytest
from rich.console import Console

from benchmark.reports.cells import number, p_value
from benchmark.reports.formats import csv_text, escape_csv, latex, markdown, pipe_table, terminal
from benchmark.reports.table import Cell, Column, Table

HOSTILE = [
    "<script>window.pwned=1</script>",
    "</script><img src=x onerror=window.pwned=1>",
    "a|b\nc",
    "[click](javascript:window.pwned=1)",
    "http://evil.example and www.evil.example",
    "`code` **bold** _em_ # head",
    r"\input{/etc/passwd} \write18{ls} 50% & $x_1^2$ #~{}",
    "=cmd|'/c calc'!A1",
    "+1+1",
    "-2",
    "@SUM(A1)",
    "\t=1",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "right\u202eto left",
    "x" * 300,
]


def table(name: str) -> Table:
    columns = (Column("budget"), Column("model", numeric=False), Column("LogLoss"))
    row = (Cell("0.1", 0.1), Cell(name, name), Cell("0.4 ± 0.1", 0.4, "best", "ab", 0.1))
    return Table("t", name, name, columns, (row, row), name, groups=True)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_format_lets_a_control_character_through(name):
    console = Console(width=200, record=True, file=io.StringIO(), force_terminal=False)
    console.print(terminal(table(name), 200))
    for text in (markdown(table(name)), csv_text(table(name)), latex(table(name)), console.export_text()):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_breaks_no_markdown_table_and_starts_no_markup(name):
    text = markdown(table(name))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 4 and all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows)
    assert not re.search(r"(?<!\\)<(?!/?sup>)", text)
    assert not re.search(r"(?<!\\)[`\[\]]", text)
    assert "http://" not in text and "www." not in text


def test_a_plain_pipe_table_aligns_all_columns_but_the_first_to_the_right_unless_told_otherwise():
    rows = [("a", "1"), ("b", "2")]
    assert pipe_table(("name", "n"), rows) == "| name | n |\n|---|--:|\n| a | 1 |\n| b | 2 |"
    assert pipe_table(("name", "n"), rows, (True, False)).splitlines()[1] == "|--:|---|"


def test_markdown_marks_the_best_and_raises_the_letters():
    assert "| **0.4 ± 0.1** <sup>ab</sup> |" in markdown(table("m"))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_not_a_latex_command(name):
    body = latex(table(name))
    own = {
        "begin",
        "end",
        "centering",
        "caption",
        "toprule",
        "midrule",
        "bottomrule",
        "textbf",
        "textsuperscript",
        "pm",
    }
    own |= {"textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar", "textquotedbl"}
    assert set(re.findall(r"\\([a-zA-Z]+)", body)) <= own
    assert body.count("{") - body.count(r"\{") == body.count("}") - body.count(r"\}")
    assert len(re.findall(r"(?<!\\)&", body)) == 3 * 2


def test_latex_sets_best_in_bold_second_underlined_and_letters_raised():
    cells = (Cell("1"), Cell("m"), Cell("0.5", 0.5, "second", "b"))
    text = latex(Table("t", "T", "S", table("m").columns, (*table("m").rows, cells)))
    assert r"\textbf{0.4 $\pm$ 0.1}\textsuperscript{ab}" in text
    assert r"\underline{0.5}\textsuperscript{b}" in text and r"\toprule" in text


@pytest.mark.parametrize("name", HOSTILE)
def test_no_csv_cell_is_a_formula_and_the_file_reads_back(name):
    rows = list(csv.reader(io.StringIO(csv_text(table(name)))))
    assert rows[0] == ["budget", "model", "LogLoss", "LogLoss ±", "LogLoss letters"]
    assert rows[1][2:] == ["0.4", "0.1", "ab"]
    assert not rows[1][1].startswith(("=", "+", "-", "@", "\t"))


def test_a_negative_number_stays_a_number_in_csv():
    assert escape_csv(-0.5) == -0.5 and escape_csv("-0.5") == "'-0.5"


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_terminal_table_fits(width):
    rows = tuple((Cell("0.1", 0.1), Cell("FinalMLP"), Cell("0.4852 ± 0.0012", letters="ab")) for _ in range(3))
    columns = (*table("m").columns, *(Column(f"column {i}", narrow=False) for i in range(9)))
    wide = Table("t", "T", "S", columns, tuple((*row, *[Cell("123,456")] * 9) for row in rows))
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(terminal(wide, width))
    text = console.export_text()
    assert "…" not in text and all(len(line) <= width for line in text.splitlines())
    assert ("column 8" in text) == (width == 200)


def test_a_name_too_long_for_the_terminal_wraps_and_no_number_is_cut():
    columns = (
        Column("record", numeric=False),
        Column("AUC recorded"),
        Column("AUC now"),
        Column("verdict", numeric=False),
    )
    row = (
        Cell("synthetic/wukong.no_lcb_residual/0.32" * 2),
        Cell("0.774209"),
        Cell("0.774209"),
        Cell("bit for bit"),
    )
    console = Console(width=60, record=True, file=io.StringIO())
    console.print(terminal(Table("audit", "T", "S", columns, (row,)), 60))
    text = console.export_text()
    assert text.count("0.774209") == 2 and "…" not in text


def test_numbers_that_round_to_zero_have_no_sign_and_a_small_p_is_bounded() -> None:
    assert number(-0.00004, "+.4f", 0.0011).text == "0.0000 ± 0.0011"
    assert number(0.00004, "+.4f").text == "0.0000" and number(-0.00006, "+.4f").text == "−0.0001"
    assert (
        p_value(0.0004).text == "< 0.001"
        and p_value(0.0005).text == p_value(0.0006).text == "0.001"
        and p_value(None).text == "—"
    )
