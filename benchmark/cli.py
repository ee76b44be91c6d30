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
from benchmark import data_commands, report_commands
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
app.add_typer(report_commands.app)
app.add_typer(data_commands.app, name="data")

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
PerGpu = Annotated[int, typer.Option("--per-gpu", min=1, help="Studies run side by side on each visible GPU.")]
Devices = Annotated[int, typer.Option("--devices", min=1, help="Devices that train each model together, by DDP.")]
Accept = Annotated[
    bool, typer.Option("--accept-changes", help="Go on with a changed protocol, space, data or code; records say so.")
]
Storage = Annotated[
    str | None,
    typer.Option(help="postgresql://USER@HOST/DATABASE, password in $PGPASSWORD or ~/.pgpass; default SQLite."),
]
Share = Annotated[
    int,
    typer.Option("--share-studies", min=1, help="Workers at each study of a cluster; above 1 not exact, and recorded."),
]
Cluster = Annotated[
    str | None, typer.Option(metavar="auto|local|ADDRESS", help="Run the studies as tasks of that Ray cluster.")
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
            chosen = _device(device)
            studies = run.adopted(run.studies(protocol, path, facts, data, chosen), folder, facts, url, devices)
        left = [study for study in studies if study.runs_left()]
        if left:
            lanes = _lanes(chosen, jobs, per_gpu) if devices == 1 else [chosen] * (jobs or 1)
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
    report_commands.show(path, console)


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
    chosen = _device(device)
    plan.show(protocol, results / protocol.name, data, chosen, len(_lanes(chosen, jobs, per_gpu)), Console())


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
def check(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Name of a model, or path of a .py file, which is run.")
    ],
) -> None:
    """Check that a model conforms: FLOPs, budgets, gradients, independent rows, determinism, learning, precision.

    Exit code 1 if it does not.
    """
    import torch

    from benchmark.check import check

    torch.set_num_threads(1)
    console = Console()
    model_class = models.load_file(Path(model)) if model.endswith(".py") else models.load(model)
    passed = True
    for line in check(model_class):
        passed &= line.passed
        console.print(f"{'pass' if line.passed else 'FAIL'}  {line.name}: {line.text}", markup=False, highlight=False)
    raise typer.Exit(0 if passed else 1)


@app.command()
def status(name: ProtocolName, results: Results = Path("results")) -> None:
    """Say how far a run has come, from its records alone."""
    from benchmark import study

    console = Console()
    folder = report_commands.folder_of(name, results)
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


app.command()(speed)


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


def _lanes(device: str, jobs: int | None, per_gpu: int) -> list[str]:
    import torch

    from benchmark.run import lanes

    return lanes(device, jobs, per_gpu, len(os.sched_getaffinity(0)), torch.cuda.device_count())


def main() -> None:
    """Run the command line; what the user can mend is one line on standard error and exit code 2."""
    try:
        sys.exit(app(standalone_mode=False))  # typer turns Ctrl-C into the number to exit with
    except SystemExit as stop:
        if stop.code in (128 + signal.SIGINT, 128 + signal.SIGTERM):
            print("stopped; repeat the command to go on from the last finished trial", file=sys.stderr)
        raise
    except Exception as error:
        if not _is_users(error):
            raise
        print(f"wukong-bench: {_message(error)}", file=sys.stderr)
        sys.exit(2)


def _is_users(error: Exception) -> bool:
    """Whether the error is one that its message tells how to mend, rather than a fault of the suite."""
    if hasattr(error, "format_message"):  # of click, which typer brings along under a private name
        return True
    from benchmark.errors import RunError
    from benchmark.records import RecordError

    kinds = [ProtocolError, RecordError, RunError, models.UnknownModel, datamodules.UnknownDataset]
    if "datamodules.base" in sys.modules:
        kinds.append(sys.modules["datamodules.base"].DataError)
    return isinstance(error, tuple(kinds))


def _message(error: Exception) -> str:
    return str(error.format_message() if hasattr(error, "format_message") else error)
