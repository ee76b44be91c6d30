"""`wukong-bench data`: get, check and describe data sets. Torch is imported only inside the commands."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

import datamodules

if TYPE_CHECKING:
    from datamodules.base import CTRDataModule

app = typer.Typer(help="Get, check and describe data sets.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A data set, as `wukong-bench list datasets` names it.")]
Folder = Annotated[
    Path | None, typer.Option("--data", help="Folder of the raw data sets; default $WUKONG_BENCH_DATA or data.")
]
AsIs = Annotated[bool, typer.Option("--as-is", help="Use files that are not the published ones; the title says so.")]


@app.command()
def prepare(
    name: Name,
    source: Annotated[
        Path | None, typer.Option(help="Folder that holds the raw files; without it they are looked for and loaded.")
    ] = None,
    data: Folder = None,
    as_is: AsIs = False,
) -> None:
    """Get the raw files, check their md5s and encode them. Doing it twice does nothing the second time."""
    from datamodules.base.reczoo import RecZooDataModule

    console = Console()
    module = datamodules.load(name)(source or data)
    if isinstance(module, RecZooDataModule):
        if source is None and not as_is:
            module.download()
        if not as_is:
            module.verify_sources()
    started = time.monotonic()
    with console.status(f"encoding {name} ..."):
        module.prepare_data()
    console.print(_summary(module), highlight=False)
    console.print(f"{time.monotonic() - started:.1f} s; in {module.folder}", highlight=False, soft_wrap=True)


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
        f"{4 * trained:,} bytes for each embedding dimension; fingerprint {meta['fingerprint']}"
        + (f"; frozen tables: {', '.join(meta['frozen_columns'])}" if n_frozen else "")
        + (f"; ignored columns: {', '.join(meta['ignored_columns'])}" if meta["ignored_columns"] else "")
    )
    return table


@app.command()
def verify(
    name: Name,
    source: Annotated[Path | None, typer.Option(help="Folder of the raw files.")] = None,
    data: Folder = None,
) -> None:
    """Read every byte again: the raw files against their published md5s, the encoded arrays against their fingerprint."""
    console = Console()
    module = datamodules.load(name)(source or data)
    for line in module.verify():
        console.print(line, highlight=False, soft_wrap=True)


@app.command()
def describe(
    name: Name,
    source: Annotated[Path | None, typer.Option(help="Folder of the raw files.")] = None,
    data: Folder = None,
    out: Annotated[Path, typer.Option(help="Folder for the card and its picture.")] = Path("results/data_cards"),
) -> None:
    """Write a data card: fields, cardinalities, OOV rates, class balance, duplicates, a picture of the cardinalities."""
    from benchmark.reports import data_card

    console = Console()
    module = datamodules.load(name)(source or data)
    with console.status(f"describing {name} ..."):
        paths = data_card.write(module, name, out)
    console.print(paths[0].read_text(encoding="utf-8"), markup=False, highlight=False, soft_wrap=True)
    console.print(f"in {', '.join(map(str, paths))}", highlight=False, soft_wrap=True)


@app.command()
def twin(
    name: Name,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the files go; made if need be.")],
    rows: Annotated[int, typer.Option(min=20, help="Rows of the train file.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Write a synthetic twin: made-up files in exactly the layout of a set that cannot be had here."""
    from datamodules.base import twins

    for path in twins.write(datamodules.load(name).layout(), folder, rows, seed):
        Console().print(str(path), highlight=False, soft_wrap=True)
