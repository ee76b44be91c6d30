"""Commands around the runs of a protocol: run, plan, status, merge."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmark import protocol as protocols
from benchmark.commands import report
from benchmark.commands.options import (
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
    chosen_device,
    lane_devices,
)
from benchmark.protocol import Protocol, ProtocolError

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

    Repeat the command to go on after an interruption; what is finished is not run again.
    """
    from benchmark.folder import Folder, claimed

    protocol = _protocol(name, set_, datasets, models, budgets, smoke, rename)
    path = results / protocol.name
    console = Console()
    with claimed(path):
        from benchmark import run  # with torch, which takes seconds: only once the folder is ours
        from benchmark.storage import storage_url

        url = storage_url(storage, path)
        folder = Folder(path, accept=accept)
        folder.adopt(protocol)
        with console.status("loading PyTorch and the data ..."):
            facts = run.facts(protocol, data)
            folder.adopt_data(facts, protocol)
            chosen = chosen_device(device)
            studies = run.adopted(run.studies(protocol, path, facts, data, chosen), folder, facts, url, devices)
        left = [study for study in studies if study.runs_left()]
        if left:
            lanes = lane_devices(chosen, jobs, per_gpu) if devices == 1 else [chosen] * (jobs or 1)
            runs = sum(study.runs_left() for study in left)
            where = f"{len(lanes)} at a time on {chosen}" if cluster is None else f"on the cluster {cluster}"
            console.print(
                f"{protocol.name}: {len(left)} of {len(studies)} studies to do, {runs} runs, "
                f"{where}; records in {path}",
                highlight=False,
            )
            if cluster is None:
                run.execute(left, lanes, console)
            else:
                run.execute_on_cluster(left, cluster, facts, per_gpu, share_studies, console)
        else:
            console.print(
                f"{protocol.name}: nothing to train, all {len(studies)} studies are finished", highlight=False
            )
    report.show(path, console)


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
    from benchmark import plan

    protocol = _protocol(name, set_, datasets, models, budgets, smoke, rename)
    chosen = chosen_device(device)
    plan.show(protocol, results / protocol.name, data, chosen, len(lane_devices(chosen, jobs, per_gpu)), Console())


@app.command()
def status(name: ProtocolName, results: Results = Path("results")) -> None:
    """Say how far a run has come, from its records alone."""
    from benchmark import study

    console = Console()
    folder = report.folder_of(name, results)
    protocol = protocols.load(str(folder / "protocol.toml"))
    for line in study.status_lines(protocol, folder):
        console.print(line, markup=False, highlight=False)


@app.command()
def merge(
    target: Annotated[Path, typer.Argument(help="Results folder of one protocol, made if need be.")],
    sources: Annotated[list[Path], typer.Argument(help="Results folders whose records it lacks.")],
) -> None:
    """Bring the records of several machines or people together; what they disagree about is named and nothing merged."""
    from benchmark.folder import claimed
    from benchmark.merge import merge

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
    protocol = protocols.load(name, values)
    return protocol.smoke() if smoke else protocol


def _value(text: str) -> Any:
    """A number, list or true/false as TOML and JSON write it; anything else is text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
