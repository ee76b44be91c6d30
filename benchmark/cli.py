"""The command line: names and numbers in, tables out. Torch is imported only by commands that train."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import datamodules
import models
from benchmark import protocol as protocols
from benchmark.protocol import Protocol, ProtocolError
from benchmark.speed_commands import speed

app = typer.Typer(
    help="Compare click-through-rate models at equal compute, equally tuned.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ProtocolName = Annotated[
    str, typer.Argument(metavar="PROTOCOL", help="Name of a shipped protocol, or path of a .toml file.")
]
Results = Annotated[Path, typer.Option("--results", help="Folder that holds a folder of results for each protocol.")]
Data = Annotated[
    Path | None, typer.Option("--data", help="Folder of the raw data sets; default $WUKONG_BENCH_DATA or data.")
]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key: --set search.trials=20. Recorded.")
]
Names = Annotated[str | None, typer.Option(metavar="A,B", help="Only these, in place of the protocol's.")]
Smoke = Annotated[bool, typer.Option("--smoke", help="The smallest form: one trial, two seeds, 4,096 rows.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", min=1, help="Studies run side by side; default one for each core, or one a GPU.")
]
Rename = Annotated[str | None, typer.Option("--name", help="Another name for the protocol and its results folder.")]


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
    rename: Rename = None,
) -> None:
    """Tune every model on every data set at every budget, measure the winners, write tables and figures.

    Repeat the command to go on after an interruption; what is finished is not run again.
    """
    from benchmark import run

    protocol = _protocol(name, set_, datasets, models, budgets, smoke, rename)
    folder = results / protocol.name
    console = Console()
    with run.claimed(folder):
        run.adopt(protocol, folder)
        with console.status("loading PyTorch and the data ..."):
            facts = run.prepare(protocol, folder, data)
            chosen = _device(device)
            studies = run.studies(protocol, folder, facts, data, chosen)
        left = [study for study in studies if study.runs_left()]
        if left:
            runs = sum(study.runs_left() for study in left)
            n_jobs = jobs or _default_jobs(chosen)
            console.print(
                f"{protocol.name}: {len(left)} of {len(studies)} studies to do, {runs} runs, {n_jobs} at a time on {chosen}; "
                f"records in {folder}",
                highlight=False,
            )
            run.execute(left, n_jobs, console)
        else:
            console.print(
                f"{protocol.name}: nothing to train, all {len(studies)} studies are finished", highlight=False
            )
    _report(folder, console)


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
    rename: Rename = None,
) -> None:
    """Say what `run` would do: trials, FLOPs, measured time for each step, estimated time and memory. Trains nothing."""
    from benchmark import plan

    protocol = _protocol(name, set_, datasets, models, budgets, smoke, rename)
    chosen = _device(device)
    plan.show(protocol, results / protocol.name, data, chosen, jobs or _default_jobs(chosen), Console())


@app.command("list")
def list_names(
    kind: Annotated[str, typer.Argument(metavar="models|datasets|protocols", help="What to list.")],
) -> None:
    """List the models, data sets or protocols at hand."""
    listings = {
        "models": lambda: {name: models.summary(name) for name in models.names()},
        "datasets": lambda: {name: datamodules.summary(name) for name in datamodules.names()},
        "protocols": lambda: {name: protocols.load(name).title for name in protocols.names()},
    }
    if kind not in listings:
        raise ProtocolError(f"cannot list {kind!r}; {protocols.nearest(kind, list(listings))}")
    console = Console()
    entries = listings[kind]()
    width = max(map(len, entries))
    for name, text in entries.items():
        console.print(f"{name:{width}}  {text}", markup=False, highlight=False)


@app.command()
def status(name: ProtocolName, results: Results = Path("results")) -> None:
    """Say how far a run has come, from its records alone."""
    from benchmark import study

    console = Console()
    folder = _folder(name, results)
    protocol = protocols.load(str(folder / "protocol.toml"))
    for line in study.status_lines(protocol, folder):
        console.print(line, markup=False, highlight=False)


@app.command()
def report(name: ProtocolName, results: Results = Path("results")) -> None:
    """Make tables and figures anew from the records of a results folder."""
    _report(_folder(name, results), Console())


app.command()(speed)


def _report(folder: Path, console: Console) -> None:
    from benchmark import report, tables

    with console.status("drawing tables and figures ..."):
        frame = report.write(folder)
    for (dataset,), rows in frame.group_by("dataset", maintain_order=True):
        console.print(tables.terminal(rows, f"{folder.name}: {dataset}", console.width))
    console.print(f"tables in {folder / 'tables'}, figures in {folder / 'figures'}", highlight=False)


def _folder(name: str, results: Path) -> Path:
    """The results folder of a protocol, by its name or its own path. Raises ProtocolError if there is none."""
    folder = Path(name) if "/" in name else results / name
    if not (folder / "protocol.toml").is_file():
        there = sorted(path.parent.name for path in results.glob("*/protocol.toml"))
        raise ProtocolError(f"no results in {folder}; {protocols.nearest(name, there)}")
    return folder


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


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or not (index.isdecimal() or not index):
        raise ProtocolError(f"no device {name!r}; (auto, cpu, cuda, cuda:N)")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise ProtocolError(f"no device {name!r}; this machine has {torch.cuda.device_count()} CUDA devices")
    return name


def _default_jobs(device: str) -> int:
    return 1 if device.startswith("cuda") else len(os.sched_getaffinity(0))


def main() -> None:
    """Run the command line; what the user can mend is one line on standard error and exit code 2."""
    try:
        app(standalone_mode=False)
    except typer.Exit as stop:
        sys.exit(stop.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        print("stopped; repeat the command to go on from the last finished trial", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except Exception as error:
        if not _is_users(error):
            raise
        print(f"wukong-bench: {_message(error)}", file=sys.stderr)
        sys.exit(2)


def _is_users(error: Exception) -> bool:
    """Whether the error is one that its message tells how to mend, rather than a fault of the suite."""
    from click import ClickException

    from benchmark.records import RecordError
    from benchmark.run import RunError

    kinds = [ClickException, ProtocolError, RecordError, RunError, models.UnknownModel, datamodules.UnknownDataset]
    if "datamodules.base" in sys.modules:
        kinds.append(sys.modules["datamodules.base"].DataError)
    return isinstance(error, tuple(kinds))


def _message(error: Exception) -> str:
    return error.format_message() if hasattr(error, "format_message") else str(error)
