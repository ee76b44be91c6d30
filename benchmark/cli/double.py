"""The command `double`."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark import protocol as protocols
from benchmark.cli.options import Accept, Data, Device, Jobs, Moved, OfFolder, Results, ResultsName
from benchmark.cli.own import named_models
from benchmark.cli.own_data import recorded_datasets
from benchmark.cli.report import folder_of
from benchmark.errors import ProtocolError
from benchmark.output import Screen

app = typer.Typer()


@app.command()
def double(
    name: ResultsName,
    results: Results = Path("results"),
    data: Data = None,
    datasets: Moved = None,
    models: OfFolder = None,
    budgets: Annotated[
        str | None, typer.Option(metavar="A,B", help="Budgets to check; default: the middle one.")
    ] = None,
    device: Device = "auto",
    jobs: Jobs = None,
    accept: Accept = False,
) -> None:
    """Train the winners again with twice the epochs: does the protocol train to the end?

    Rerun the command to resume. The report then shows what was gained. Exits with 1 if it counts.
    """
    from benchmark.execution.doubling import double
    from benchmark.findings.convergence import problem
    from benchmark.reports import formats
    from benchmark.reports.tables.convergence import convergence
    from benchmark.reports.write import write_report

    console, folder = Screen(), folder_of(name, results)
    protocol = protocols.of_folder(folder)
    try:
        chosen = tuple(float(part) for part in budgets.split(",")) if budgets else None
    except ValueError:
        raise ProtocolError(f"--budgets {budgets}: expected numbers, as in --budgets 0.08,0.32") from None
    names, own = named_models(models, recorded_datasets(datasets, folder))
    double(
        folder,
        protocol,
        chosen,
        data_dir=data,
        device=device,
        jobs=jobs,
        accept=accept,
        names=names,
        own=own,
        console=console,
    )
    with console.status("drawing tables and figures ..."):
        findings = write_report(folder)
    passed = True
    for dataset in findings.datasets:
        gains = findings.gains(dataset)
        table = convergence(gains, protocol.training.epochs, findings.heading(dataset))
        console.print(formats.terminal(table, console.width))
        passed &= problem(gains, findings.rows(dataset)["model"].unique().to_list()) is None
    raise typer.Exit(0 if passed else 1)
