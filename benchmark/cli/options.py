"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

ProtocolName = Annotated[str, typer.Argument(metavar="PROTOCOL", help="Shipped protocol, or path of a .toml file.")]
ProtocolOrNone = Annotated[
    str | None,
    typer.Argument(
        metavar="PROTOCOL", help="Shipped protocol, or path of a .toml file; none for a first look at your files."
    ),
]
ResultsName = Annotated[str, typer.Argument(metavar="NAME", help="Protocol with results, or path of a results folder.")]
Results = Annotated[Path, typer.Option("--results", metavar="DIR", help="Parent of all results folders.")]
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Raw data sets.", show_default="$WUKONG_BENCH_DATA or data"),
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key (search.trials=20); repeatable, recorded."),
]
Datasets = Annotated[
    str | None,
    typer.Option(
        metavar="A,B", help="Data sets, instead of the protocol's; or files: ./clicks.parquet, ./logs, ./clicks.toml."
    ),
]
Moved = Annotated[
    str | None, typer.Option("--datasets", metavar="A,B", help="Where the files of your data sets are now.")
]
Label = Annotated[str | None, typer.Option(metavar="COLUMN", help="Of your files: 1 if clicked, 0 if not.")]
Time = Annotated[
    str | None, typer.Option("--time", metavar="COLUMN", help="Of your files: split by it, the earliest rows train.")
]
Group = Annotated[str | None, typer.Option(metavar="COLUMN", help="Of your files: groups rows for gAUC.")]
Weight = Annotated[str | None, typer.Option(metavar="COLUMN", help="Of your files: weighs rows in loss and metrics.")]
Models = Annotated[
    str | None,
    typer.Option(metavar="A,B", help="Models, instead of the protocol's; your own file as ./my.py."),
]
OfFolder = Annotated[
    str | None,
    typer.Option("--models", metavar="A,B", help="Only these models; your own file as ./my.py.", show_default="all"),
]
Budgets = Annotated[str | None, typer.Option(metavar="X,Y", help="Budgets in training MFLOP per example.")]
Smoke = Annotated[bool, typer.Option("--smoke", help="Smallest form: 1 trial, 2 seeds, 4,096 rows.")]
Device = Annotated[str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N.")]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", metavar="N", min=1, help="Parallel studies.", show_default="1 per core or GPU"),
]
PerGpu = Annotated[int, typer.Option("--per-gpu", metavar="N", min=1, help="Parallel studies per visible GPU.")]
Devices = Annotated[int, typer.Option("--devices", metavar="N", min=1, help="Devices per training (DDP).")]
Accept = Annotated[
    bool,
    typer.Option("--accept-changes", help="Accept a changed protocol, space, data or code; recorded."),
]
Storage = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="postgresql://USER@HOST/DATABASE.",
        show_default="SQLite",
    ),
]
Share = Annotated[
    int,
    typer.Option("--share-studies", metavar="N", min=1, help="Workers per study; above 1 inexact."),
]
StallMinutes = Annotated[
    float, typer.Option(metavar="N", min=0.01, help="Give up a training without a step for so long.")
]
Cluster = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Ray cluster: auto, local or its address.")]
KeepWeights = Annotated[bool, typer.Option("--keep-weights", help="Keep the weights of final runs, in weights/.")]
Rename = Annotated[str | None, typer.Option("--name", metavar="NAME", help="Rename the protocol and its results.")]
Logger = Annotated[
    str | None, typer.Option("--logger", metavar="NAME", help="Also log to csv, tensorboard, wandb or mlflow.")
]
