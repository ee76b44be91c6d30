"""The command `reproduce`."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import Data, Device, Jobs, PerGpu
from benchmark.errors import ProtocolError, RunError, nearest
from benchmark.output import Screen
from benchmark.published import tables as published
from benchmark.records import files

app = typer.Typer()

Results = Annotated[Path, typer.Option("--results", metavar="DIR", help="Parent of the results.")]
Rows = Annotated[
    str | None, typer.Option("--rows", metavar="A,B", help="Rows, named as published.", show_default="all")
]
NoTraining = Annotated[bool, typer.Option("--no-training", help="Only tabulate existing runs.")]


@app.command()
def reproduce(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Published table, see `wukong-bench list published`.")],
    results: Results = Path("results/reproduce"),
    data: Data = None,
    rows: Rows = None,
    device: Device = "auto",
    jobs: Jobs = None,
    per_gpu: PerGpu = 1,
    no_training: NoTraining = False,
) -> None:
    """Train the configurations of a published table.

    Follows the training rules of the source, and tabulates ours beside theirs. Rerun the command to resume after an
    interruption; finished trainings are not repeated.
    """
    from benchmark.execution.run import in_lanes
    from benchmark.execution.studies import facts
    from benchmark.records.folder import claimed
    from benchmark.reports import formats, tables

    table, console, path = published.load(name), Screen(), results / name
    names = [row.published_as for row in table.rows]
    chosen = rows.split(",") if rows else names
    for row in sorted(set(chosen) - set(names)):
        raise ProtocolError(f"no row {row!r} in {name}; {nearest(row, names)}")
    with claimed(path):
        with console.status("loading PyTorch and the data ..."):
            from benchmark.execution.devices import chosen_device, lanes_here
            from benchmark.published.reproduce import studies_of, train_missing

            about = facts(table.protocol(), data)[table.dataset]
            torch_device = chosen_device(device)
            fields = len(about["dense_columns"]), len(about["sparse_columns"])
            studies = studies_of(table, path, fields, data, torch_device)
        _same_data(path, table.dataset, about)
        left = [study for study in studies if study.published_as in chosen and study.runs_left()]
        left.sort(key=lambda study: -study.budget)
        if left and not no_training:
            lanes = lanes_here(torch_device, jobs, per_gpu)
            n_runs = sum(study.runs_left() for study in left)
            text = (
                f"{name}: {n_runs} run{'s' * (n_runs > 1)}, {len(lanes)} at a time on {torch_device}; records in {path}"
            )
            console.print(text)
            in_lanes(left, train_missing, lanes, console)
    reproduced = tables.reproduced(table, studies, about["title"])
    files.write_text(path / "table.md", formats.markdown(reproduced))
    files.write_text(path / "table.csv", formats.csv_text(reproduced))
    console.print(formats.terminal(reproduced, console.width))
    console.print(f"table written to {path / 'table.md'}")


def _same_data(path: Path, dataset: str, facts: dict[str, object]) -> None:
    """Write down the data set's facts. Raises RunError if the existing records were made on other data."""
    file = path / "datasets" / f"{dataset}.json"
    if file.exists() and (recorded := files.read_json(file, "fingerprint")["fingerprint"]) != facts["fingerprint"]:
        raise RunError(
            f"{path} holds results on other data: {recorded}, now {facts['fingerprint']}; choose another --results"
        )
    files.write_json(file, facts)
