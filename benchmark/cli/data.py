"""`wukong-bench data`: get, check and describe data sets. Only the commands themselves import torch."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

import datamodules
from benchmark.cli.options import Data, Group, Label, Time, Weight
from benchmark.cli.own_data import Roles, named_datasets
from benchmark.errors import ProtocolError
from benchmark.output import Screen
from benchmark.records import files
from datamodules import is_path

if TYPE_CHECKING:
    from datamodules.base import CTRDataModule

app = typer.Typer(help="Get, check and describe data sets.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Data set, see `wukong-bench list datasets`; or files: ./clicks.parquet.")
]
Source = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder that holds this data set's raw files.")]
AsIs = Annotated[bool, typer.Option("--as-is", help="Accept unpublished files; the title says so.")]


@app.command()
def prepare(
    name: Name,
    source: Source = None,
    data: Data = None,
    as_is: AsIs = False,
    label: Label = None,
    time_: Time = None,
    group: Group = None,
    weight: Weight = None,
) -> None:
    """Get the raw files, check their MD5 sums and encode them.

    Downloads a RecZoo data set's missing files unless --source or --as-is is given. Data already encoded are kept.
    """
    from datamodules.base.reczoo import RecZooDataModule

    console = Screen()
    name = _added(name, Roles(label, time_, group, weight), console)
    module = datamodules.load(name)(source or data)
    if isinstance(module, RecZooDataModule):
        if source is None and not as_is:
            module.download()
        if not as_is:
            module.verify_sources()
    started = time.monotonic()
    with console.status(f"encoding {name} ..."):
        module.prepare_data()
    console.print(_summary(module))
    console.print(f"ready after {time.monotonic() - started:.1f} s: {module.folder}", soft_wrap=True)


def _summary(module: "CTRDataModule") -> Table:
    meta = module.meta
    tables, n_frozen = module.rows_of_tables(), len(meta["frozen_columns"])
    trained = sum(tables[: len(tables) - n_frozen])
    table = Table("part", "rows", "positives", "share", title=f"{meta['title']}, rules {meta['encoding']}")
    for column in table.columns[1:]:
        column.justify = "right"
    for split, rows in meta["rows"].items():
        positives = meta["positives"][split]
        table.add_row(split, f"{rows:,}", f"{positives:,}", f"{positives / rows:.2%}")
    sequences = len(meta["sparse_columns"]) - len(tables)
    table.caption = (
        f"{module.n_dense} dense columns, {len(tables)} sparse and {sequences} sequence fields; {trained:,} table rows, "
        f"{4 * trained:,} bytes per embedding dimension; fingerprint {meta['fingerprint']}"
        + (f"; frozen tables: {', '.join(meta['frozen_columns'])}" if n_frozen else "")
        + (f"; ignored columns: {', '.join(meta['ignored_columns'])}" if meta["ignored_columns"] else "")
    )
    return table


@app.command()
def verify(
    name: Name,
    source: Source = None,
    data: Data = None,
) -> None:
    """Verify the raw files and the encoded arrays.

    Compares the raw files with their published MD5 sums, and the arrays with their fingerprint.
    """
    console = Screen()
    module = datamodules.load(name)(source or data)
    for line in module.verify():
        console.print(line, soft_wrap=True)


@app.command()
def describe(
    name: Name,
    source: Source = None,
    data: Data = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for card and figure.")] = Path("results/data_cards"),
    label: Label = None,
    time_: Time = None,
    group: Group = None,
    weight: Weight = None,
) -> None:
    """Write a data card with a figure of the cardinalities.

    Lists fields, cardinalities, OOV rates, class balance and duplicates.
    """
    from benchmark.reports import data_card

    console = Screen()
    name = _added(name, Roles(label, time_, group, weight), console)
    module = datamodules.load(name)(source or data)
    with console.status(f"describing {name} ..."):
        paths = data_card.write(module, name, out)
    console.print(paths[0].read_text(encoding="utf-8"), soft_wrap=True)
    console.print(f"written to {', '.join(map(str, paths))}", soft_wrap=True)


@app.command()
def draft(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="File, folder or pattern: ./clicks.parquet, './logs/*.csv'.")
    ],
    label: Label = None,
    time_: Time = None,
    group: Group = None,
    weight: Weight = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write here.", show_default="beside the files, with their name")
    ] = None,
) -> None:
    """Write what is guessed of your files as a .toml to correct.

    Says how each column is read and why. Keeps what a .toml beside the files says already; never overwrites one.
    """
    from datamodules.own.text import toml

    console = Screen()
    if not is_path(path):
        raise ProtocolError(f"{path!r} is no path of a table; give one such as ./{path}.parquet")
    _, [drafted] = named_datasets(path, Roles(label, time_, group, weight), console)
    target = out or Path(path).with_name(f"{drafted.declared.name}.toml")
    if target.exists():
        raise ProtocolError(f"{target} exists and is kept; give another file with --out")
    files.write_text(target, toml(drafted))
    console.print(f"written to {target}; correct it and rerun with --datasets {target}", soft_wrap=True)


def _added(name: str, roles: Roles, console: Screen) -> str:
    """Return the name of a data set; if it is in files of the user's, it is added."""
    names, drafts = named_datasets(name, roles, console)
    for drafted in drafts:
        datamodules.add(drafted.declared)
    return (names or [name])[0]


@app.command()
def twin(
    name: Name,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Output folder; created if missing.")],
    rows: Annotated[int, typer.Option(metavar="N", min=20, help="Rows of the train file.")] = 10_000,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Random seed.")] = 0,
) -> None:
    """Write made-up files in the exact layout of a data set.

    Such a twin stands in for a data set that is not available, in tests and timings.
    """
    from datamodules.base import twins

    for path in twins.write(datamodules.load(name).layout(), folder, rows, seed):
        Screen().print(str(path), soft_wrap=True)
