"""Commands that read results folders: report, leaderboard, compare, export, submit-check, readme. None of them trains."""

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
def report(name: Name, results: Results = Path("results")) -> None:
    """Make tables, figures and the HTML page anew from the records of a results folder."""
    show(folder_of(name, results), Console())


def show(folder: Path, console: Console) -> None:
    """Write the folder's report and print its quality tables and verdicts."""
    from benchmark import formats, tables, verdict
    from benchmark import report as reports

    with console.status("drawing tables and figures ..."):
        found = reports.write(folder)
    for dataset in found.datasets:
        shown = tables.quality(found.rows(dataset), found.runs, found.heading(dataset))
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
