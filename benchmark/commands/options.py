"""Options that several commands share, and what they choose."""

import os
from pathlib import Path
from typing import Annotated

import typer

from benchmark.protocol import ProtocolError

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


def chosen_device(name: str) -> str:
    """The device of that name, or the best there is. Raises ProtocolError."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or not (index.isdecimal() or not index):
        raise ProtocolError(f"no device {name!r}; (auto, cpu, cuda, cuda:N)")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise ProtocolError(f"no device {name!r}; this machine has {torch.cuda.device_count()} CUDA devices")
    return name


def lane_devices(device: str, jobs: int | None, per_gpu: int) -> list[str]:
    """The device of each worker process on this machine."""
    import torch

    from benchmark.run import lanes

    return lanes(device, jobs, per_gpu, len(os.sched_getaffinity(0)), torch.cuda.device_count())
