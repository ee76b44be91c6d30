"""Data of the user's own on a command line: what its columns are taken for, and the protocol for a first look at it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich import box
from rich.table import Table

import datamodules
from benchmark import protocol as protocols
from benchmark.errors import ProtocolError
from benchmark.output import Screen
from benchmark.protocol import own_data
from benchmark.records import files
from datamodules import is_path

if TYPE_CHECKING:
    from datamodules.own.draft import Draft
    from datamodules.own.module import Declared


class Roles(NamedTuple):
    """The columns of the user's files that are no ordinary fields; None: not given."""

    label: str | None = None
    time: str | None = None
    group: str | None = None
    weight: str | None = None


def named_datasets(text: str | None, roles: Roles, console: Screen) -> "tuple[list[str] | None, list[Draft]]":
    """Return the data sets that a command line names, None if none, and those among them that are files of the user's.

    Shows what their columns are taken for, and what looks wrong. Raises DataError, or ProtocolError for a role without files.

    Args:
        text: names and paths, separated by commas.
        roles: columns of the files.
        console: shows the columns.
    """
    parts = text.split(",") if text is not None else []
    given = [f"--{role}" for role, column in roles._asdict().items() if column is not None]
    if given and not any(map(is_path, parts)):
        raise ProtocolError(
            f"{given[0]} names a column of your files; give them with --datasets, as in ./clicks.parquet"
        )
    names, drafts = [], []
    for part in parts:
        if not is_path(part):
            names.append(part)
            continue
        from datamodules.own.draft import draft

        with console.status(f"reading a sample of {part} ..."):
            drafts.append(draft(Path(part).expanduser(), **roles._asdict()))
        names.append(drafts[-1].declared.name)
        show(drafts[-1], console)
    return (names if text is not None else None), drafts


def recorded_datasets(text: str | None, folder: Path) -> "list[Declared]":
    """Return the user's data sets of a results folder as it says that they were read, given where their files are now.

    Raises ProtocolError if the folder has no such data set, and DataError if the files are not there.

    Args:
        text: paths, separated by commas; None: none.
        folder: of the results.
    """
    recorded = []
    for part in text.split(",") if text is not None else []:
        from datamodules.own import declaration
        from datamodules.own.draft import located
        from datamodules.own.module import Declared
        from datamodules.own.paths import name_of

        name = name_of(Path(part))
        path = folder / "datasets" / f"{name}.json"
        if not path.is_file():
            raise ProtocolError(
                f"{part} is data set {name!r}, and {folder} has none of that name; it has {_names(folder)}"
            )
        said = files.read_json(path, "declaration")["declaration"]
        recorded.append(Declared(name, declaration.validated(said, str(path)), located(Path(part).expanduser())))
    return recorded


def _names(folder: Path) -> str:
    return ", ".join(sorted(path.stem for path in folder.glob("datasets/*.json"))) or "none"


def show(draft: "Draft", console: Screen) -> None:
    """Print a table of the columns with what they are taken for and why, and what looks wrong.

    Args:
        draft: of the data set.
        console: to print on.
    """
    title = f"{draft.declared.name}: {draft.rows:,} rows, kinds guessed from {len(draft.sample):,}"
    table = Table(
        "column", "type", "read as", "because", "for example", title=title, box=box.SIMPLE, padding=(0, 1, 0, 0)
    )
    for guess in draft.guesses:
        table.add_row(guess.name, guess.dtype, guess.column.shown(), guess.reason, ", ".join(guess.examples))
    table.caption = "`wukong-bench data draft` writes this as a .toml to correct."
    console.print(table)
    for line in draft.declared.warnings:
        console.print(f"warning: {line}", soft_wrap=True)


def protocol_of(drafts: "list[Draft]", values: dict[str, Any], console: Screen) -> protocols.Protocol:
    """Return the protocol of a first look, sized by rows and fields, and say what it took. Raises ProtocolError.

    Args:
        drafts: of the user's data.
        values: by dotted key, which go before what is taken.
        console: to say it on.
    """
    rows, fields = min(draft.train_rows for draft in drafts), max(draft.n_fields for draft in drafts)
    taken = {key: value for key, value in own_data.sizes(rows, fields).items() if key not in values}
    values = taken | {"name": "_".join(draft.declared.name for draft in drafts)[:64]} | values
    first = protocols.load(own_data.NAME, values)
    if "title" not in values:
        shown = " and ".join(datamodules.title(name) for name in first.datasets)
        values["title"] = own_data.title(shown, len(first.models), len(first.budgets))[:200]
    protocol = protocols.load(own_data.NAME, values)
    search, seeds = protocol.search, len(protocol.final.seeds)
    console.print(
        f"A first look, sized for about {rows:,} train rows and {fields} fields: budgets of "
        f"{' and '.join(f'{budget:g}' for budget in protocol.budgets)} training MFLOP per example, {protocol.training.epochs} "
        f"epoch{'s' * (protocol.training.epochs > 1)}, batches of {protocol.training.batch_size:,}, {search.blocks} searches "
        f"of {search.trials} trials and {seeds} final run{'s' * (seeds > 1)} for each model and budget. Any of it can be "
        f"changed, as in --set search.trials=10, and --set search.blocks={2 * search.blocks} adds to a finished folder.",
        soft_wrap=True,
    )
    return protocol
