"""The command `time`: throughput of a folder's winners."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, TaskID

from benchmark import protocol as protocols
from benchmark.cli.options import Data, Device, Moved, OfFolder, Results, ResultsName
from benchmark.cli.own import named_models
from benchmark.cli.own_data import recorded_datasets
from benchmark.cli.report import folder_of
from benchmark.output import Screen
from benchmark.records.folder import claimed

app = typer.Typer()


@app.command()
def time(
    name: ResultsName,
    results: Results = Path("results"),
    data: Data = None,
    datasets: Moved = None,
    models: OfFolder = None,
    device: Device = "cpu",
    rounds: Annotated[int, typer.Option(metavar="N", min=1, help="Interleaved rounds; reports medians.")] = 5,
    steps: Annotated[int, typer.Option(metavar="N", min=1, help="Training steps of each round.")] = 100,
) -> None:
    """Measure the throughput of the winners: training examples per second, and milliseconds of predicting a batch.

    Needs a quiet machine, and says so if it was not. Tables and figures show only times measured by this command, the last
    time: models that are not timed together cannot be compared.
    """
    from benchmark.reports import formats
    from benchmark.reports.tables.throughput import throughput
    from benchmark.reports.write import write_report

    console, folder = Screen(), folder_of(name, results)
    protocol = protocols.of_folder(folder)
    names, _ = named_models(models, recorded_datasets(datasets, folder))
    with claimed(folder):
        with console.status("loading PyTorch and the data ..."):
            from benchmark.execution.devices import chosen_device
            from benchmark.execution.progress.display import duration
            from benchmark.records.provenance import device_name
            from benchmark.speed.winners import contests

            chosen = chosen_device(device)
            ready, left_out = contests(folder, protocol, data, chosen, names)
        for line in left_out:
            console.print(f"left out: {line}", soft_wrap=True)
        for contest in ready:
            with console.status("trying each model ..."):
                seconds = contest.estimate(rounds, steps)
            n = len(contest.runs)
            console.print(
                f"{contest.dataset}: {n} {'winner' if n == 1 else 'winners'}, {rounds} rounds of {steps} steps on "
                f"{device_name(chosen)}, one thread; about {duration(seconds)}",
                soft_wrap=True,
            )
            # drawn between models only: a drawing thread would run beside what is measured
            with Progress(console=console, auto_refresh=False, transient=True, disable=not console.is_terminal) as bar:
                task = bar.add_task(contest.dataset, total=rounds * n)

                def on_sample(done: int, *, task: TaskID = task, bar: Progress = bar, n: int = n) -> None:
                    bar.update(task, completed=done, refresh=True)
                    if done % n == 0 and not console.is_terminal:
                        console.print(f"round {done // n} of {rounds} done")

                measured, load = contest.measured(rounds, steps, on_sample)
            measured.write(folder)
            if not load.quiet:
                console.print(f"warning: the machine was not quiet: {load.sentence}; measure again on a quiet one")
    with console.status("drawing tables and figures ..."):
        findings = write_report(folder)
    for contest in ready:
        console.print(formats.terminal(throughput(findings, contest.dataset), console.width))
