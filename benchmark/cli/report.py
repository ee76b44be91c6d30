"""Commands that read results folders: report, leaderboard, compare, export, submit-check. None of them trains."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from benchmark import protocol as protocols
from benchmark.errors import ProtocolError, nearest

if TYPE_CHECKING:
    from benchmark.findings import Findings

app = typer.Typer()

Results = Annotated[Path, typer.Option("--results", help="Folder that holds a folder of results for each protocol.")]
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of a protocol with results, or path of a results folder.")
]


@app.command()
def report(
    name: Name,
    results: Results = Path("results"),
    readme: Annotated[
        Path | None, typer.Option("--readme", help="Also rewrite the result blocks of this file.")
    ] = None,
) -> None:
    """Make tables, figures and the HTML page anew from the records of a results folder."""
    from benchmark.reports.write import write_report

    folder, console = folder_of(name, results), Console()
    with console.status("drawing tables and figures ..."):
        findings = write_report(folder)
    show(findings, console)
    if readme is not None:
        from benchmark.reports import readme as blocks

        changed = blocks.rewrite(readme, results)
        console.print(f"{readme}: {'rewritten' if changed else 'nothing to change'}", highlight=False, markup=False)


@app.command()
def leaderboard(results: Results = Path("results")) -> None:
    """Make a static page over all results folders: results/leaderboard/index.html."""
    from benchmark.reports import leaderboard

    Console().print(f"leaderboard in {leaderboard.write(results)}", highlight=False, markup=False)


@app.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="Name or path of a results folder.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Name or path of another.")],
    results: Results = Path("results"),
) -> None:
    """Say what differs between two results folders: protocol, data, versions, hardware, numbers."""
    from benchmark import findings
    from benchmark.reports import compare, formats

    console = Console()
    found = compare.compare(*(findings.read(folder_of(name, results)) for name in (a, b)))
    for table in (found.differences, *found.numbers):
        if table.rows:
            console.print(formats.terminal(table, console.width))
    for note in found.notes:
        console.print(Text(formats.printable(note)))


@app.command()
def export(
    name: Name,
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="bars, hugging-face or parquet.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write to; default export/FORMAT in the results.")
    ] = None,
    results: Results = Path("results"),
) -> None:
    """Write results in others' forms: BARS's leaderboard rows, a Hugging Face model index, parquet frames."""
    from benchmark import findings
    from benchmark.reports import export

    if form not in export.FORMATS:
        raise ProtocolError(f"no format {form!r}; {nearest(form, list(export.FORMATS))}")
    folder = folder_of(name, results)
    for path in export.write(findings.read(folder), form, out or folder / "export" / form):
        Console().print(str(path), highlight=False, markup=False, soft_wrap=True)


@app.command("submit-check")
def submit_check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="records/<data set>/<model>.jsonl of a results folder.")],
) -> None:
    """Check records sent by others: schema, budgets, seeds, metrics. Reads data only; exit code 1 if anything is wrong."""
    from benchmark.checks import submission
    from benchmark.reports import formats

    folder = file.absolute().parent.parent.parent
    if not file.is_file() or not (folder / "protocol.toml").is_file():
        where = "<results folder>/records/<data set>/<model>.jsonl, and protocol.toml in that folder"
        raise ProtocolError(f"{file}: expected {where}")
    problems = submission.problems_of(file.absolute(), protocols.load(str(folder / "protocol.toml")))
    console = Console()
    for problem in problems:
        console.print(Text(formats.printable(problem)))
    if problems:
        raise typer.Exit(1)
    console.print(f"{file}: consistent with its protocol; unverified until run again", highlight=False, markup=False)


def show(findings: "Findings", console: Console) -> None:
    """Print the quality tables and verdicts of a results folder."""
    from benchmark.findings.verdict import verdict
    from benchmark.reports import formats, tables

    for dataset in findings.datasets:
        console.print(formats.terminal(tables.quality(findings, dataset), console.width))
        console.print(Text(formats.printable(verdict(findings, dataset).sentence)))
    folder = findings.folder
    if not findings.datasets:
        console.print(f"{folder} holds no records yet; `wukong-bench run` makes them", highlight=False, markup=False)
    console.print(f"report in {folder / 'report.html'}, tables and figures beside it", highlight=False, markup=False)


def folder_of(name: str, results: Path) -> Path:
    """The results folder of a protocol, by its name or its own path. Raises ProtocolError if there is none."""
    folder = Path(name) if "/" in name else results / name
    if not (folder / "protocol.toml").is_file():
        there = sorted(path.parent.name for path in results.glob("*/protocol.toml"))
        raise ProtocolError(f"no results in {folder}; {nearest(name, there)}")
    return folder
