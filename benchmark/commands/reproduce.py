"""The command `reproduce`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from benchmark import records
from benchmark import reproduce as reproductions
from benchmark.commands.options import Data, Device, Jobs, PerGpu, chosen_device, lane_devices
from benchmark.errors import RunError
from benchmark.protocol import ProtocolError, nearest

app = typer.Typer()

Results = Annotated[Path, typer.Option("--results", help="Folder that holds a folder for each published table.")]
Rows = Annotated[
    str | None, typer.Option("--rows", metavar="A,B", help="Only these rows, named as published; default all.")
]
NoTraining = Annotated[bool, typer.Option("--no-training", help="Only tabulate the runs that are there.")]


@app.command()
def reproduce(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A published table: `list published` has them.")],
    results: Results = Path("results/reproduce"),
    data: Data = None,
    rows: Rows = None,
    device: Device = "auto",
    jobs: Jobs = None,
    per_gpu: PerGpu = 1,
    no_training: NoTraining = False,
) -> None:
    """Train the configurations of a published table by the rules of its source, and tabulate ours beside theirs.

    Repeat the command to go on after an interruption; what is finished is not run again.
    """
    from benchmark import formats, tables
    from benchmark.folder import claimed

    table, console, path = reproductions.load(name), Console(), results / name
    known = [row.published_as for row in table.rows]
    chosen = rows.split(",") if rows else known
    for row in sorted(set(chosen) - set(known)):
        raise ProtocolError(f"no row {row!r} in {name}; {nearest(row, known)}")
    with claimed(path):
        with console.status("loading PyTorch and the data ..."):
            from benchmark import run

            facts = run.facts(table.protocol(), data)[table.dataset]
            where = chosen_device(device)
            fields = len(facts["dense_columns"]), len(facts["sparse_columns"])
            studies = reproductions.studies(table, path, fields, data, where)
        _same_data(path, table.dataset, facts)
        left = [study for study in studies if study.published_as in chosen and study.runs_left()]
        left.sort(key=lambda study: -study.budget)
        if left and not no_training:
            lanes = lane_devices(where, jobs, per_gpu)
            n_runs = sum(study.runs_left() for study in left)
            text = f"{name}: {n_runs} runs, {len(lanes)} at a time on {where}; records in {path}"
            console.print(text, highlight=False)
            run.in_lanes(left, lanes, console)
    found = tables.reproduced(table, studies, facts["title"])
    records.write_text(path / "table.md", formats.markdown(found))
    records.write_text(path / "table.csv", formats.csv_text(found))
    console.print(formats.terminal(found, console.width))
    console.print(Text(f"table in {path / 'table.md'}"))


def _same_data(path: Path, dataset: str, facts: dict[str, object]) -> None:
    """Remember what the records were made on. Raises RunError if that was something else."""
    file = path / "datasets" / f"{dataset}.json"
    if file.exists() and (there := records.read_json(file)["fingerprint"]) != facts["fingerprint"]:
        raise RunError(
            f"{path} holds results on other data: {there}, now {facts['fingerprint']}; choose another --results"
        )
    records.write_json(file, facts)
