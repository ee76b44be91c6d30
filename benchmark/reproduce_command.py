"""The command `reproduce`."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.commands.options import Data, Device, Jobs

app = typer.Typer()


@app.command()
def reproduce(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A published table; without it, they are listed.")
    ] = None,
    results: Annotated[
        Path, typer.Option("--results", help="Folder that holds a folder for each published table.")
    ] = Path("results/reproduce"),
    data: Data = None,
    rows: Annotated[
        str | None, typer.Option("--rows", metavar="A,B", help="Only these rows, as they were published.")
    ] = None,
    device: Device = "auto",
    jobs: Jobs = None,
    dry: Annotated[bool, typer.Option("--no-training", help="Only tabulate the runs that there are.")] = False,
) -> None:
    """Train the configurations of a published table by its source's rules; tabulate ours beside theirs.

    Repeat the command to go on after an interruption; what is finished is not run again.
    """
