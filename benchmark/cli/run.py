"""Commands that run a protocol or follow its runs: run, plan, status, merge."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmark import protocol as protocols
from benchmark.cli import report
from benchmark.cli.options import (
    Accept,
    Budgets,
    Changes,
    Cluster,
    Data,
    Datasets,
    Device,
    Devices,
    Jobs,
    Logger,
    Models,
    PerGpu,
    ProtocolName,
    Rename,
    Results,
    ResultsName,
    Share,
    Smoke,
    StallMinutes,
    Storage,
)
from benchmark.errors import ProtocolError
from benchmark.output import Screen
from benchmark.protocol import Protocol
from benchmark.study import STALL_MINUTES

app = typer.Typer()


@app.command("run")
def run_protocol(
    name: ProtocolName,
    results: Results = Path("results"),
    data: Data = None,
    set_: Changes = None,
    datasets: Datasets = None,
    models: Models = None,
    budgets: Budgets = None,
    smoke: Smoke = False,
    rename: Rename = None,
    device: Device = "auto",
    jobs: Jobs = None,
    per_gpu: PerGpu = 1,
    devices: Devices = 1,
    storage: Storage = None,
    cluster: Cluster = None,
    share_studies: Share = 1,
    accept: Accept = False,
    stall_minutes: StallMinutes = STALL_MINUTES,
    logger: Logger = None,
) -> None:
    """Tune every model at every budget and measure the winners.

    Covers every data set of the protocol and writes records, tables and figures. Rerun the command to resume after an
    interruption; finished trainings are not repeated.
    """
    from benchmark.execution.run import run

    console = Screen()
    findings = run(
        _protocol(name, set_, datasets, models, budgets, smoke, rename),
        results,
        data_dir=data,
        device=device,
        jobs=jobs,
        per_gpu=per_gpu,
        devices=devices,
        storage=storage,
        cluster=cluster,
        share_studies=share_studies,
        accept=accept,
        stall_minutes=stall_minutes,
        logger=logger,
        console=console,
    )
    report.show(findings, console)


@app.command()
def plan(
    name: ProtocolName,
    results: Results = Path("results"),
    data: Data = None,
    set_: Changes = None,
    datasets: Datasets = None,
    models: Models = None,
    budgets: Budgets = None,
    smoke: Smoke = False,
    rename: Rename = None,
    device: Device = "auto",
    jobs: Jobs = None,
    per_gpu: PerGpu = 1,
) -> None:
    """Show what `run` would do, and train nothing.

    Shows trials, FLOPs, measured time per step, estimated time and memory.
    """
    from benchmark.execution import plan
    from benchmark.execution.devices import chosen_device, lanes_here

    protocol = _protocol(name, set_, datasets, models, budgets, smoke, rename)
    chosen = chosen_device(device)
    plan.show(protocol, results / protocol.name, data, chosen, len(lanes_here(chosen, jobs, per_gpu)), Screen())


@app.command()
def status(name: ResultsName, results: Results = Path("results")) -> None:
    """Show the progress of a run, read from its records."""
    from benchmark.execution.status import status_lines

    console = Screen()
    folder = report.folder_of(name, results)
    protocol = protocols.of_folder(folder)
    for line in status_lines(protocol, folder):
        console.print(line)


@app.command()
def merge(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Results folder; created if missing.")],
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE", help="Results folders to add records from.")],
) -> None:
    """Merge the records of several machines or people.

    If the folders disagree, names the conflict and merges nothing.
    """
    from benchmark.records.folder import claimed
    from benchmark.records.merge import merge

    with claimed(target):
        added, notes = merge(target, sources)
    console = Screen()
    for note in notes:
        console.print(f"note: {note}", soft_wrap=True)
    console.print(f"{added} records added to {target}")


def _protocol(
    name: str,
    changes: list[str] | None,
    datasets: str | None,
    models: str | None,
    budgets: str | None,
    smoke: bool,
    rename: str | None,
) -> Protocol:
    values = parsed(changes)
    for key, names in (("datasets", datasets), ("models", models), ("budgets", budgets)):
        if names is not None:
            values[key] = [_value(part) if key == "budgets" else part for part in names.split(",")]
    if rename is not None:
        values["name"] = rename
    return protocols.load(name, values, smoke=smoke)


def parsed(changes: list[str] | None) -> dict[str, Any]:
    """Return the values of --set by key. Raises ProtocolError if one is not KEY=VALUE."""
    values: dict[str, Any] = {}
    for change in changes or []:
        key, equals, value = change.partition("=")
        if not equals:
            raise ProtocolError(f"--set {change}: expected KEY=VALUE, as in --set search.trials=20")
        values[key] = _value(value)
    return values


def _value(text: str) -> Any:
    """Return a number, list or boolean written as in JSON; any other text as it is."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
