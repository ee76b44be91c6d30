"""Commands that read results folders: report, leaderboard, compare, export, submit-check. None of them trains."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from benchmark import protocol as protocols
from benchmark.protocol import ProtocolError

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
    folder, console = folder_of(name, results), Console()
    show(folder, console)
    if readme is not None:
        from benchmark import readme as blocks

        changed = blocks.rewrite(readme, results)
        console.print(f"{readme}: {'rewritten' if changed else 'nothing to change'}", highlight=False, markup=False)


@app.command()
def leaderboard(results: Results = Path("results")) -> None:
    """Make a static page over all results folders: results/leaderboard/index.html."""
    from benchmark import leaderboard

    Console().print(f"leaderboard in {leaderboard.write(results)}", highlight=False, markup=False)


@app.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="Name or path of a results folder.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Name or path of another.")],
    results: Results = Path("results"),
) -> None:
    """Say what differs between two results folders: protocol, data, versions, hardware, numbers."""
    from benchmark import compare, findings, formats

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
    from benchmark import export, findings

    if form not in export.FORMATS:
        raise ProtocolError(f"no format {form!r}; {protocols.nearest(form, list(export.FORMATS))}")
    folder = folder_of(name, results)
    for path in export.write(findings.read(folder), form, out or folder / "export" / form):
        Console().print(str(path), highlight=False, markup=False, soft_wrap=True)


@app.command("submit-check")
def submit_check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="records/<data set>/<model>.jsonl of a results folder.")],
) -> None:
    """Check records sent by others: schema, budgets, seeds, metrics. Reads data only; exit code 1 if anything is wrong."""
    from benchmark import formats, submission

    folder = file.absolute().parent.parent.parent
    if not file.is_file() or not (folder / "protocol.toml").is_file():
        where = "<results folder>/records/<data set>/<model>.jsonl, and protocol.toml in that folder"
        raise ProtocolError(f"{file}: expected {where}")
    problems = submission.check(file.absolute(), protocols.load(str(folder / "protocol.toml")))
    console = Console()
    for problem in problems:
        console.print(Text(formats.printable(problem)))
    if problems:
        raise typer.Exit(1)
    console.print(f"{file}: consistent with its protocol; unverified until run again", highlight=False, markup=False)


def show(folder: Path, console: Console) -> None:
    """Write the folder's report and print its quality tables and verdicts."""
    from benchmark import formats, tables
    from benchmark import report as reports
    from benchmark.findings import verdict

    with console.status("drawing tables and figures ..."):
        found = reports.write(folder)
    for dataset in found.datasets:
        shown = tables.quality(found, dataset)
        console.print(formats.terminal(shown, console.width))
        console.print(Text(formats.printable(verdict.verdict(found, dataset).sentence)))
    if not found.datasets:
        console.print(f"{folder} holds no records yet; `wukong-bench run` makes them", highlight=False, markup=False)
    console.print(f"report in {folder / 'report.html'}, tables and figures beside it", highlight=False, markup=False)


def folder_of(name: str, results: Path) -> Path:
    """The results folder of a protocol, by its name or its own path. Raises ProtocolError if there is none."""
    folder = Path(name) if "/" in name else results / name
    if not (folder / "protocol.toml").is_file():
        there = sorted(path.parent.name for path in results.glob("*/protocol.toml"))
        raise ProtocolError(f"no results in {folder}; {protocols.nearest(name, there)}")
    return folder
