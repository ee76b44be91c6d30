"""Tables as Markdown, CSV, LaTeX and terminal output. Names come from records that anybody may send, so all are escaped."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from benchmark.output import printable
from benchmark.reports.table import Cell, Table, Value


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows literally: no table, link, image, HTML or emphasis can start in it."""
    escaped = re.sub(r"([\\`*_\[\]<>|!#&~$@])", r"\\\1", printable(text))
    return re.sub(r"(?i)((?<=www)\.|:(?=//))", r"\\\1", escaped)


LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "≥": r"$\geq$",
    "×": r"$\times$",
    "—": "---",
    **{c: f"\\{c}" for c in "&%$#_"},
}


def escape_latex(text: str) -> str:
    """Return text that LaTeX typesets literally."""
    return "".join(LATEX.get(c, c) for c in printable(text))


def escape_csv(value: Value) -> Value:
    """Return text that no spreadsheet reads as a formula; numbers are unchanged."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def markdown(table: Table) -> str:
    """Return a pipe table with a heading above and its legend below."""
    return f"## {escape_markdown(table.heading)}\n\n{markdown_body(table)}"


def markdown_body(table: Table) -> str:
    """Return the pipe table and its legend, without a heading."""
    body = pipe_table(
        [escape_markdown(column.name) for column in table.columns],
        [[_markdown_cell(cell) for cell in row] for row in table.rows],
        [column.numeric for column in table.columns],
    )
    return "\n".join([body, "", *([escape_markdown(table.legend), ""] if table.legend else [])])


def pipe_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], right_aligned: Sequence[bool] | None = None
) -> str:
    """Return plain cells as a Markdown pipe table. Nothing is escaped.

    Args:
        header: column names.
        rows: cells of each row.
        right_aligned: for each column; all but the first if None.
    """
    if right_aligned is None:
        right_aligned = [i > 0 for i in range(len(header))]
    head, *body = (f"| {' | '.join(cells)} |" for cells in (header, *rows))
    rule = f"|{'|'.join('--:' if right else '---' for right in right_aligned)}|"
    return "\n".join([head, rule, *body])


def _markdown_cell(cell: Cell) -> str:
    text = escape_markdown(cell.text)
    if cell.mark == "best":
        text = f"**{text}**"
    elif cell.mark == "second":
        text = f"<ins>{text}</ins>"
    return f"{text} <sup>{cell.letters}</sup>" if cell.letters else text


DIGITS = 12  # the last four of a float depend on the processor's vector instructions
ENDS = ("low", "high", "low open", "high open")


def csv_text(table: Table) -> str:
    """Return the table as CSV with DIGITS digits; half-widths, letters and the ends of intervals have columns of their own."""
    half = [any(row[i].half is not None for row in table.rows) for i in range(len(table.columns))]
    lettered = [any(row[i].letters for row in table.rows) for i in range(len(table.columns))]
    ended = [any(row[i].ends for row in table.rows) for i in range(len(table.columns))]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    header: list[str] = []
    for i, column in enumerate(table.columns):
        header += [column.name] + [f"{column.name} ±"] * half[i] + [f"{column.name} letters"] * lettered[i]
        header += [f"{column.name} {end}" for end in ENDS] * ended[i]
    writer.writerow(header)
    for row in table.rows:
        values: list[Value] = []
        for i, cell in enumerate(row):
            values += [cell.value] + [cell.half] * half[i] + [cell.letters] * lettered[i]
            values += list(cell.ends or [None] * len(ENDS)) * ended[i]
        writer.writerow(["" if value is None else escape_csv(rounded(value)) for value in values])
    return out.getvalue()


def rounded(value: Value) -> Value:
    """Return a number with DIGITS significant digits; anything else as it is."""
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def latex(table: Table) -> str:
    """Return a booktabs table: best in bold, second underlined, letters raised. Needs the packages booktabs and textcomp."""
    align = "".join("r" if column.numeric else "l" for column in table.columns)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape_latex(f'{table.heading}. {table.legend}'.strip())}}}",
        rf"\begin{{tabular}}{{{align}}}",
        r"\toprule",
        " & ".join(escape_latex(column.name) for column in table.columns) + r" \\",
        r"\midrule",
    ]
    for i, row in enumerate(table.rows):
        if table.groups and i and row[0].value != table.rows[i - 1][0].value:
            lines.append(r"\midrule")
        lines.append(" & ".join(_latex_cell(cell) for cell in row) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _latex_cell(cell: Cell) -> str:
    text = escape_latex(cell.text)
    if cell.mark:
        text = rf"\{'textbf' if cell.mark == 'best' else 'underline'}{{{text}}}"
    return rf"{text}\textsuperscript{{{cell.letters}}}" if cell.letters else text


def terminal(table: Table, width: int) -> RichTable:
    """Return the table for a terminal of this width; if it does not fit, only the essential columns."""
    fits = sum(_width(table, i) + 2 for i in range(len(table.columns))) <= width
    shown = [i for i, column in enumerate(table.columns) if fits or column.narrow]
    drawn = RichTable(
        title=Text(printable(table.heading)),
        caption=Text(printable(table.legend)),
        caption_justify="left",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for i in shown:
        numeric = table.columns[i].numeric
        name = Text(table.columns[i].name)
        # in a table that is too wide, names wrap and numbers do not
        drawn.add_column(name, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    for number, row in enumerate(table.rows):
        if table.groups and number and row[0].value != table.rows[number - 1][0].value:
            drawn.add_section()
        drawn.add_row(*(_terminal_cell(row[i]) for i in shown))
    return drawn


def _width(table: Table, i: int) -> int:
    """Return the width of a column in characters."""
    cells = (_terminal_cell(row[i]).cell_len for row in table.rows)
    return max([len(table.columns[i].name), *cells])


def _terminal_cell(cell: Cell) -> Text:
    style = {"best": "bold", "second": "underline", "": ""}[cell.mark]
    text = Text(printable(cell.text), style=style)
    return text.append(f" {cell.letters}", style="dim") if cell.letters else text
