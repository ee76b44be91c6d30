"""Commands about trained weights: train, predict, export-model."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

import datamodules
import models
from benchmark.cli.options import Changes, Data, Device, Group, Label, Time, Weight
from benchmark.cli.own import named_models
from benchmark.cli.own_data import Roles, named_datasets, recorded_datasets
from benchmark.cli.run import parsed
from benchmark.errors import ProtocolError
from benchmark.output import Screen
from datamodules import is_path

app = typer.Typer()

MOST_NAMED = 5  # fields with unseen values

WeightsFolder = Annotated[Path, typer.Argument(metavar="WEIGHTS", help="Folder that train or run wrote.")]
ModelFiles = Annotated[
    str | None, typer.Option("--models", metavar="FILE", help="The file of yours that holds the model: ./mymodel.py.")
]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", help="Take a column that is not there as missing in every row.")
]


@app.command()
def train(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model or variant, or a file of yours: ./mymodel.py.")],
    dataset: Annotated[str, typer.Option("--datasets", metavar="NAME", help="Data set, or files: ./clicks.parquet.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write the weights to.")],
    preset: Annotated[str | None, typer.Option(metavar="NAME", help="Published configuration.")] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Tables [model], [optimiser], [training].")
    ] = None,
    origin: Annotated[Path | None, typer.Option("--from", metavar="DIR", help="Results folder: its winner.")] = None,
    budget: Annotated[float | None, typer.Option(metavar="X", help="Of the winner, in training MFLOP.")] = None,
    block: Annotated[int, typer.Option(metavar="N", min=1, help="Of the winner.")] = 1,
    set_: Changes = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Seed.", show_default="0, or the winner's")
    ] = None,
    data: Data = None,
    device: Device = "auto",
    threads: Annotated[int, typer.Option(metavar="N", min=1, help="CPU threads; 1 repeats a run's numbers.")] = 1,
    label: Label = None,
    time_: Time = None,
    group: Group = None,
    weight: Weight = None,
) -> None:
    """Train one configuration and save its weights.

    Takes a published preset, a TOML file, or a winner of a results folder; --set training.epochs=4 changes a value.
    """
    console = Screen()
    if origin is not None and is_path(dataset):
        declared = recorded_datasets(dataset, origin)
    else:
        _, drafts = named_datasets(dataset, Roles(label, time_, group, weight), console)
        declared = [drafted.declared for drafted in drafts]
    dataset = declared[0].name if declared else dataset
    [model] = named_models(model, declared)[0] or []
    models.title(model)
    datamodules.title(dataset)
    if sum(choice is not None for choice in (preset, config, origin)) != 1:
        presets = ", ".join(models.preset_fields(model)) or "none"
        raise ProtocolError(f"give one of --preset, --config and --from; presets of {model}: {presets}")
    if origin is None and budget is not None:
        raise ProtocolError("--budget chooses a winner; it goes with --from")
    changes = parsed(set_)

    import torch

    from benchmark.execution import configurations, single
    from benchmark.execution.devices import chosen_device

    if preset is not None:
        chosen = configurations.of_preset(model, preset, changes)
    elif config is not None:
        chosen = configurations.of_file(model, config, changes)
    else:
        assert origin is not None  # noqa: S101 (tells mypy)
        chosen = configurations.of_winner(model, dataset, origin, budget, block, changes)
    chosen = chosen if seed is None else replace(chosen, seed=seed)
    torch.set_num_threads(threads)
    record = single.train(model, dataset, chosen, out, data_dir=data, device=chosen_device(device), console=console)
    for part, metrics in (("valid", record.valid), ("test", record.test)):
        values = ", ".join(f"{name} {value:.6f}" for name, value in (metrics or {}).items())
        console.print(f"{part}: {values}", soft_wrap=True)
    console.print(f"epoch {record.best_epoch} of {record.epochs} saved to {out}", soft_wrap=True)


@app.command()
def predict(
    folder: WeightsFolder,
    rows: Annotated[Path, typer.Argument(metavar="ROWS", help="Parquet, csv or gzipped csv.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Parquet file to write: score, logit.")],
    allow_missing: AllowMissing = False,
    model_files: ModelFiles = None,
    device: Device = "auto",
) -> None:
    """Score new rows with saved weights.

    Rows are encoded as those of training. Columns may come in any order; others are ignored. Says how many values training
    has not seen.
    """
    from benchmark.execution.devices import chosen_device
    from benchmark.weights import predicting, reading

    named_models(model_files)
    console, started, chosen = Screen(), time.monotonic(), chosen_device(device)
    weights = reading.load(folder, chosen)
    _note_code(console, weights.other_code())
    scored = predicting.score(weights, rows, out, allow_missing=allow_missing, device=chosen)
    seconds = time.monotonic() - started
    console.print(f"{scored.rows:,} rows scored in {seconds:.1f} s, written to {out}", soft_wrap=True)
    unseen = sorted(scored.unseen.items(), key=lambda item: -item[1])[:MOST_NAMED]
    if shares := ", ".join(f"{name} {count / scored.rows:.1%}" for name, count in unseen if count):
        console.print(f"values without an id of their own: {shares}", soft_wrap=True)


@app.command("export-model")
def export_model(
    folder: WeightsFolder,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Program to write: .pt2 or .onnx.")],
    check: Annotated[Path | None, typer.Option(metavar="ROWS", help="Also compare on these rows.")] = None,
    allow_missing: AllowMissing = False,
    model_files: ModelFiles = None,
) -> None:
    """Export a saved model as a program that runs without this suite.

    It takes encoded rows, any number at a time, and returns logits. It is written only if these are the model's to 1e-5.
    """
    from benchmark.weights import exporting, reading

    named_models(model_files)
    console = Screen()
    weights = reading.load(folder)
    _note_code(console, weights.other_code())
    largest = exporting.export(weights, out, check, allow_missing=allow_missing)
    console.print(f"{out} written; its logits differ from the model's by at most {largest:.2g}", soft_wrap=True)


def _note_code(console: Screen, changed: list[str]) -> None:
    if changed:
        console.print(f"note: code has changed since these weights were written: {', '.join(changed)}", soft_wrap=True)
