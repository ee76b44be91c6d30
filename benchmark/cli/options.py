"""Options that several commands share, and what they choose."""

from pathlib import Path
from typing import Annotated

import typer

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
