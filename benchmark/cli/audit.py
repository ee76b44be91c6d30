"""The command `audit`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, TaskID

from benchmark import protocol as protocols
from benchmark.cli.options import Data, Device, Moved, OfFolder, Results, ResultsName
from benchmark.cli.own import named_models
from benchmark.cli.own_data import recorded_datasets
from benchmark.cli.report import folder_of
from benchmark.errors import RunError
from benchmark.output import Screen
from benchmark.records import audits

app = typer.Typer()


@app.command()
def audit(
    name: ResultsName,
    results: Results = Path("results"),
    n: Annotated[int, typer.Option("--records", metavar="N", min=1, help="Number of records to retrain.")] = 3,
    seed: Annotated[int, typer.Option(metavar="N", help="Random seed of the sample.")] = 0,
    data: Data = None,
    datasets: Moved = None,
    models: OfFolder = None,
    device: Device = "auto",
) -> None:
    """Retrain a random sample of records and compare metrics.

    Appends the outcome to audits.jsonl in the results folder, from which a leaderboard knows what is verified. Exits with 1 if
    a metric is not reproduced; on the same kind of machine all are, bit for bit.
    """
    console, folder = Screen(), folder_of(name, results)
    protocol = protocols.of_folder(folder)
    names, own = named_models(models, recorded_datasets(datasets, folder))
    with console.status("loading PyTorch and the data ..."):
        from benchmark.checks import audit
        from benchmark.execution.devices import chosen_device
        from benchmark.execution.studies import of_record
        from benchmark.reports import formats

        chosen, sample = chosen_device(device), audit.sample(folder, n, seed, names)
    repetitions = []
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        for i, record in enumerate(sample, start=1):
            took = f"took {record.seconds:.0f} s when recorded" if record.seconds else "no time recorded"
            console.print(f"[{i}/{len(sample)}] {record.name}: {took}")
            task = bars.add_task(f"{i}/{len(sample)}", total=1.0)

            def on_share(share: float, task: TaskID = task) -> None:
                bars.update(task, completed=share)

            repetitions.append(audit.repeat(record, of_record(record, protocol, data, chosen, own), on_share))
            try:
                audits.append(folder, repetitions[-1].audit)
            except RunError as error:  # a folder that cannot be written to can be audited
                console.print(f"note: the outcome is not kept: {error}")
            bars.remove_task(task)
    console.print(formats.terminal(audit.table(repetitions, protocol), console.width))
    for line in audit.differences(repetitions):
        console.print(f"changed since the record: {line}")
    raise typer.Exit(0 if all(repetition.passed for repetition in repetitions) else 1)
