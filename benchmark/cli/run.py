"""Commands that run a protocol or follow its runs: run, plan, status, merge."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    Group,
    Jobs,
    KeepWeights,
    Label,
    Logger,
    Models,
    PerGpu,
    ProtocolOrNone,
    Rename,
    Results,
    ResultsName,
    Share,
    Smoke,
    StallMinutes,
    Storage,
    Time,
    Weight,
)
from benchmark.cli.own import named_models
from benchmark.cli.own_data import Roles, named_datasets, protocol_of
from benchmark.errors import ProtocolError
from benchmark.output import Screen
from benchmark.study import STALL_MINUTES

if TYPE_CHECKING:
    from datamodules.own.draft import Draft

app = typer.Typer()


@app.command("run")
def run_protocol(
    name: ProtocolOrNone = None,
    results: Results = Path("results"),
    data: Data = None,
    set_: Changes = None,
    datasets: Datasets = None,
    label: Label = None,
    time: Time = None,
    group: Group = None,
    weight: Weight = None,
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
    keep_weights: KeepWeights = False,
    logger: Logger = None,
) -> None:
    """Tune every model at every budget and measure the winners.

    Covers every data set of the protocol and writes records, tables and figures. Rerun the command to resume after an
    interruption; finished trainings are not repeated.
    """
    from benchmark import run

    console = Screen()
    names, drafts = named_datasets(datasets, Roles(label, time, group, weight), console)
    model_names, own = named_models(models, [draft.declared for draft in drafts])
    values = _changes(set_, names, model_names, budgets, rename)
    done = run(
        _protocol(name, values, drafts, console, smoke=smoke),
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
        own=own,
        keep_weights=keep_weights,
        logger=logger,
        console=console,
    )
    report.show(done.findings, console)


@app.command()
def plan(
    name: ProtocolOrNone = None,
    results: Results = Path("results"),
    data: Data = None,
    set_: Changes = None,
    datasets: Datasets = None,
    label: Label = None,
    time: Time = None,
    group: Group = None,
    weight: Weight = None,
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
    from benchmark.execution.devices import chosen_device, lanes_here
    from benchmark.execution.planning import plan

    console = Screen()
    names, drafts = named_datasets(datasets, Roles(label, time, group, weight), console)
    model_names, _ = named_models(models, [draft.declared for draft in drafts])
    values = _changes(set_, names, model_names, budgets, rename)
    protocol = _protocol(name, values, drafts, console, smoke=smoke)
    chosen = chosen_device(device)
    plan.show(protocol, results / protocol.name, data, chosen, len(lanes_here(chosen, jobs, per_gpu)), console)


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


def _changes(
    changes: list[str] | None,
    datasets: list[str] | None,
    models: list[str] | None,
    budgets: str | None,
    rename: str | None,
) -> dict[str, Any]:
    """Return what the options change in a protocol, by dotted key."""
    values = parsed(changes)
    if datasets is not None:
        values["datasets"] = datasets
    if models is not None:
        values["models"] = models
    if budgets is not None:
        values["budgets"] = [_value(part) for part in budgets.split(",")]
    if rename is not None:
        values["name"] = rename
    return values


def _protocol(
    name: str | None, values: dict[str, Any], drafts: "list[Draft]", console: Screen, *, smoke: bool
) -> protocols.Protocol:
    if name is not None:
        return protocols.load(name, values, smoke=smoke)
    if not drafts:
        raise ProtocolError(
            f"which protocol? Give its name ({', '.join(protocols.names()[:3])}, ...; see `wukong-bench list protocols`), "
            "or your own files, as in --datasets ./clicks.parquet --label clicked"
        )
    if smoke:
        raise ProtocolError("--smoke shortens a protocol; give its name, as in `wukong-bench run own_data --smoke`")
    return protocol_of(drafts, values, console)


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
