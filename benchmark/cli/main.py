"""The command line: names and numbers in, tables out. Torch is imported only by commands that train."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import datamodules
import models
from benchmark import protocol as protocols
from benchmark.cli import audit, data, report, reproduce, run, speed
from benchmark.errors import ProtocolError, RecordError, RunError, nearest
from benchmark.published import tables as published

app = typer.Typer(
    help="Compare click-through-rate models at equal compute, equally tuned.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(run.app)
app.add_typer(report.app)
app.add_typer(audit.app)
app.add_typer(reproduce.app)
app.add_typer(data.app, name="data")
app.add_typer(speed.app)


@app.command("list")
def list_names(
    kind: Annotated[str, typer.Argument(metavar="models|datasets|protocols|published|presets", help="What to list.")],
) -> None:
    """List the models, data sets, protocols, published tables or models' presets at hand."""
    listings = {
        "models": lambda: {
            name: models.summary(name) for model in models.names() for name in (model, *models.variants(model))
        },
        "datasets": lambda: {name: datamodules.summary(name) for name in datamodules.names()},
        "protocols": lambda: {name: protocols.load(name).title for name in protocols.names()},
        "presets": lambda: {
            f"{name} {key}": ", ".join(f"{k} {v}" for k, v in config.model_dump(exclude_unset=True).items())
            for name in models.names()
            for key, config in models.presets(name).items()
        },
        "published": lambda: {name: published.load(name).title for name in published.names()},
    }
    if kind not in listings:
        raise ProtocolError(f"cannot list {kind!r}; {nearest(kind, list(listings))}")
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

    from benchmark.checks.model import check

    torch.set_num_threads(1)
    console = Console()
    model_class = models.load_file(Path(model)) if model.endswith(".py") else models.load(model)
    passed = True
    for line in check(model_class):
        passed &= line.passed
        console.print(f"{'pass' if line.passed else 'FAIL'}  {line.name}: {line.text}", markup=False, highlight=False)
    raise typer.Exit(0 if passed else 1)


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
    kinds = [ProtocolError, RecordError, RunError, models.UnknownModel, datamodules.UnknownDataset]
    if "datamodules.base" in sys.modules:
        kinds.append(sys.modules["datamodules.base"].DataError)
    return isinstance(error, tuple(kinds))


def _message(error: Exception) -> str:
    return str(error.format_message() if hasattr(error, "format_message") else error)
