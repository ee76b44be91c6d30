"""The command line: names and numbers in, tables out. Only commands that train import torch."""

import signal
import sys
from importlib.metadata import version
from typing import Annotated

import typer

import datamodules
import models
from benchmark import protocol as protocols
from benchmark.cli import audit, data, double, replay, report, reproduce, run, speed, time, weights
from benchmark.cli.own import named_model, warn_of_ignored
from benchmark.errors import ProtocolError, RecordError, RunError, nearest
from benchmark.output import Screen, one_line, replace_unencodable
from benchmark.published import tables as published

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(run.app)
app.add_typer(report.app)
app.add_typer(audit.app)
app.add_typer(double.app)
app.add_typer(replay.app)
app.add_typer(reproduce.app)
app.add_typer(data.app, name="data")
app.add_typer(speed.app)
app.add_typer(time.app)
app.add_typer(weights.app)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"wukong-bench {version('wukong-bench')}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Compare click-through-rate models at equal compute, equally tuned."""


@app.command("list")
def list_names(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="models, datasets, protocols, published or presets.")],
) -> None:
    """List models, data sets, protocols, tables or presets."""
    listings = {
        "models": lambda: {
            name: models.summary(name) for model in models.names() for name in (model, *models.variants(model))
        },
        "datasets": lambda: {name: datamodules.summary(name) for name in datamodules.names()},
        "protocols": lambda: {name: protocols.load(name).title for name in protocols.names()},
        "presets": lambda: {
            f"{model} {name}": ", ".join(f"{field} {value}" for field, value in fields.items())
            for model in models.names()
            for name, fields in models.preset_fields(model).items()
        },
        "published": lambda: {name: published.load(name).title for name in published.names()},
    }
    if kind not in listings:
        raise ProtocolError(f"cannot list {kind!r}; {nearest(kind, list(listings))}")
    console = Screen()
    warn_of_ignored()
    entries = listings[kind]()
    width = max(map(len, entries))
    for name, text in entries.items():
        console.print(f"{name:{width}}  {text}", soft_wrap=True)


@app.command()
def check(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model, or path of a .py file, which is executed.")],
) -> None:
    """Check that a model meets the suite's contract.

    Checks FLOPs and uncounted work, budgets, gradients, fields, independent rows, train and eval mode, determinism, precision,
    and that trial 0 learns at every budget. Exits with 1 if a check fails.
    """
    import torch

    from benchmark.checks.model import outcomes

    torch.set_num_threads(1)
    console = Screen()
    model_class = models.load(named_model(model))
    passed = True
    for line in outcomes(model_class):
        passed &= line.passed
        text = f"{'pass' if line.passed else 'FAIL'}  {line.name}: {line.text}"
        console.print(text, soft_wrap=True)
    raise typer.Exit(0 if passed else 1)


def main() -> None:
    """Run the command line. An error that the user can fix is one line on standard error and exit code 2."""
    replace_unencodable()
    try:
        sys.exit(app(standalone_mode=False))  # typer turns Ctrl-C into an exit code
    except SystemExit as stop:
        if stop.code in (128 + signal.SIGINT, 128 + signal.SIGTERM):
            print("stopped; rerun the command to resume after the last finished trial", file=sys.stderr)
        raise
    except Exception as error:
        if not _fixable(error):
            raise
        print(f"wukong-bench: {one_line(_message(error))}", file=sys.stderr)
        sys.exit(2)


def _fixable(error: Exception) -> bool:
    """Return whether the error is the user's to fix, as its message says, and not a bug of the suite."""
    if hasattr(error, "format_message"):  # click's errors, which typer bundles under a private name
        return True
    kinds = [ProtocolError, RecordError, RunError, models.UnknownModel, datamodules.UnknownDataset, OSError]
    if "datamodules.base" in sys.modules:
        kinds.append(sys.modules["datamodules.base"].DataError)
    return isinstance(error, tuple(kinds))


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error.format_message() if hasattr(error, "format_message") else error)
