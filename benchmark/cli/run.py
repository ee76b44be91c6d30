"""Commands around the runs of a protocol: run, plan, status, merge."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmark import protocol as protocols
from benchmark.cli import report
from benchmark.cli.options import (
    Accept,
    Changes,
    Cluster,
    Data,
    Device,
    Devices,
    Jobs,
    Names,
    PerGpu,
    ProtocolName,
    Rename,
    Results,
    Share,
    Smoke,
    Storage,
)
from benchmark.errors import ProtocolError
from benchmark.protocol import Protocol

app = typer.Typer()


@app.command("run")
def run_protocol(
    name: ProtocolName,
    results: Results = Path("results"),
    data: Data = None,
    set_: Changes = None,
    datasets: Names = None,
    models: Names = None,
    budgets: Names = None,
    smoke: Smoke = False,
    device: Device = "auto",
    jobs: Jobs = None,
    per_gpu: PerGpu = 1,
    rename: Rename = None,
    devices: Devices = 1,
    storage: Storage = None,
    cluster: Cluster = None,
    share_studies: Share = 1,
    accept: Accept = False,
) -> None:
    """Tune every model on every data set at every budget, measure the winners, write tables and figures.

    Rerun the command to resume after an interruption; finished trainings are not repeated.
    """
    from benchmark.execution.run import run

    console = Console()
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
        console=console,
    )
    report.show(findings, console)


@app.command()
def plan(
    name: ProtocolName,
    results: Results = Path("results"),
    data: Data = None,
    set_: Changes = None,
    datasets: Names = None,
    models: Names = None,
    budgets: Names = None,
    smoke: Smoke = False,
    device: Device = "auto",
    jobs: Jobs = None,
    per_gpu: PerGpu = 1,
    rename: Rename = None,
) -> None:
    """Say what `run` would do: trials, FLOPs, measured time for each step, estimated time and memory. Trains nothing."""
    from benchmark.execution import plan
    from benchmark.execution.devices import chosen_device, lanes_here

    protocol = _protocol(name, set_, datasets, models, budgets, smoke, rename)
    chosen = chosen_device(device)
    plan.show(protocol, results / protocol.name, data, chosen, len(lanes_here(chosen, jobs, per_gpu)), Console())


@app.command()
def status(name: ProtocolName, results: Results = Path("results")) -> None:
    """Say how far a run has come, from its records alone."""
    from benchmark.execution.status import status_lines

    console = Console()
    folder = report.folder_of(name, results)
    protocol = protocols.load(str(folder / "protocol.toml"))
    for line in status_lines(protocol, folder):
        console.print(line, markup=False, highlight=False)


@app.command()
def merge(
    target: Annotated[Path, typer.Argument(help="Results folder of one protocol, made if need be.")],
    sources: Annotated[list[Path], typer.Argument(help="Results folders whose records it lacks.")],
) -> None:
    """Bring the records of several machines or people together; what they disagree about is named and nothing merged."""
    from benchmark.records.folder import claimed
    from benchmark.records.merge import merge

    with claimed(target):
        added = merge(target, sources)
    Console().print(f"{added} records added to {target}", highlight=False)


def _protocol(
    name: str,
    changes: list[str] | None,
    datasets: str | None,
    models: str | None,
    budgets: str | None,
    smoke: bool,
    rename: str | None,
) -> Protocol:
    values: dict[str, Any] = {}
    for change in changes or []:
        key, equals, value = change.partition("=")
        if not equals:
            raise ProtocolError(f"--set {change}: expected KEY=VALUE, as in --set search.trials=20")
        values[key] = _value(value)
    for key, names in (("datasets", datasets), ("models", models), ("budgets", budgets)):
        if names is not None:
            values[key] = [_value(part) if key == "budgets" else part for part in names.split(",")]
    if rename is not None:
        values["name"] = rename
    return protocols.load(name, values, smoke=smoke)


def _value(text: str) -> Any:
    """A number, list or true/false as TOML and JSON write it; anything else is text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
