"""Drafts the declaration of a user's files from a bounded sample of their rows."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from datamodules._names import nearest
from datamodules.base.errors import DataError
from datamodules.own import declaration as declarations
from datamodules.own import kinds, leaks
from datamodules.own.declaration import Column, Declaration
from datamodules.own.kinds import Guess
from datamodules.own.module import Declared
from datamodules.own.paths import PARTS, Files, files_at, files_of, name_of
from datamodules.own.prepare import cleaned, sparse_fields
from datamodules.own.scan import Table

SPLIT_NAMES = ("split", "part", "fold", "subset", "set")
SMALL = 100_000  # rows, of which every value is kept


@dataclass(frozen=True)
class Draft:
    """A data set with what its columns are taken for, and why."""

    declared: Declared
    guesses: tuple[Guess, ...]  # of all columns, in file order; those declared in the .toml are not guessed
    sample: pl.DataFrame
    rows: int
    train_rows: int  # about as many, where a column says the part of each row

    @property
    def n_fields(self) -> int:
        """Number of fields that the columns become."""
        return len(self.declared.declaration.of("dense", "values")) + len(sparse_fields(self.declared.declaration))


def draft(
    path: Path,
    *,
    label: str | None = None,
    time: str | None = None,
    group: str | None = None,
    weight: str | None = None,
) -> Draft:
    """Return the data set at a path: declared by a .toml, by that beside it, or guessed as far as neither says.

    Raises DataError naming what is wrong.

    Args:
        path: of a table, folder, pattern or .toml.
        label: column that says whether a row was clicked: 0 or 1.
        time: column by which rows are split: the earliest train, the latest test.
        group: column that groups rows for gAUC.
        weight: column that weighs rows.
    """
    toml = path if path.suffix == ".toml" else path.with_name(f"{path.name.split('.')[0]}.toml")
    given = {"label": label, "time": time, "group": group, "weight": weight}
    said: dict[str, Any] = declarations.read(toml, **given) if path.suffix == ".toml" or toml.is_file() else given
    values = {key: value for key, value in said.items() if value is not None}
    files = located(path)
    table = Table(
        files.get("") or files["train"], values.get("separator") if isinstance(values.get("separator"), str) else None
    )
    names = table.frame.collect_schema().names()
    for role in (*given, "split"):
        if role in values and values[role] not in names:
            hint = nearest(str(values[role]), names)
            raise DataError(f"{path}: no {role} column {values[role]!r}; {hint}it has {', '.join(names)}")
    if "label" not in values:
        raise DataError(f"{path}: which column is the label? Give --label COLUMN; it has {', '.join(names)}")
    sample = cleaned(table.sample().lazy(), declarations.MISSING).collect()
    guesses = [kinds.guess(sample[name]) for name in names]
    values = _completed(values, guesses, sample, "" in files, path, table.rows)
    declaration = declarations.validated(values, str(toml if toml.is_file() else path))
    shown = tuple(_as_declared(guess, declaration) for guess in guesses)
    warnings = tuple(leaks.in_sample(sample, shown, declaration.label))
    declared = Declared(name_of(path), declaration, files, warnings)
    rows = sum(declared.table(part).rows for part in files)
    return Draft(declared, shown, sample, rows, _train_rows(declared, sample, table.rows))


def _train_rows(declared: Declared, sample: pl.DataFrame, rows: int) -> int:
    """Return about how many of the first table's rows train."""
    declaration = declared.declaration
    if "train" in declared.files:
        return rows
    if declaration.split:
        trained = sample[declaration.split].cast(pl.String).replace(PARTS) == "train"
        return rows * int(trained.sum()) // max(1, len(sample))
    return rows * declaration.shares[0] // sum(declaration.shares)


def located(path: Path) -> Files:
    """Return the tables that a path means, by part. Raises DataError if it means none.

    Args:
        path: of a table, folder, pattern or .toml.
    """
    if path.suffix != ".toml":
        return files_at(path)
    given = declarations.read(path).get("files", ())  # before the rest of it can be checked
    parts = given if isinstance(given, dict) else {"": given}
    for patterns in parts.values():
        texts = [patterns] if isinstance(patterns, str) else patterns
        if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
            raise DataError(f"{path}: files: expected texts, such as files = ['clicks-*.parquet']")
    named = {str(part): (p,) if isinstance(p, str) else tuple(p) for part, p in parts.items()}
    return files_of(named if isinstance(given, dict) else named[""], path)


def _completed(
    values: dict[str, Any], guesses: list[Guess], sample: pl.DataFrame, unsplit: bool, path: Path, rows: int
) -> dict[str, Any]:
    """Return the values of a declaration with those that are missing."""
    declared = values.get("columns", {})
    if not isinstance(declared, dict):
        raise DataError(f"{path}: columns: expected a table of columns, such as [columns] age = 'dense'")
    names = [guess.name for guess in guesses]
    if unknown := [name for name in declared if name not in names]:
        raise DataError(f"{path}: columns names {unknown[0]!r}; {nearest(unknown[0], names)}it has {', '.join(names)}")
    if unsplit and "time" not in values and "split" not in values:
        values |= {"split": next((name for name in names if _says_parts(name, sample)), None)}
    roles = {values.get(role) for role in ("label", "weight", "split")}
    columns: dict[str, Any] = {}
    for guess in guesses:
        if guess.name in declared:
            columns[guess.name] = declared[guess.name]
        elif guess.name not in roles:
            columns[guess.name] = guess.column
    time = values.get("time")
    if time not in declared and isinstance(column := columns.get(time or ""), Column) and column.kind != "date":
        columns[str(time)] = Column(kind="ignored")  # numbers that only grow
    title = path.name if path.suffix != ".toml" else path.stem
    return {"title": title, "min_count": 1 if rows < SMALL else 2, **values, "columns": columns}


def _says_parts(column: str, sample: pl.DataFrame) -> bool:
    """Return whether a column names the part of each row."""
    if column.lower() not in SPLIT_NAMES or sample[column].dtype != pl.String:
        return False
    return {PARTS.get(value) for value in sample[column].unique()} == {"train", "valid", "test"}


def _as_declared(guess: Guess, declaration: Declaration) -> Guess:
    """Return a guess with the kind that is declared, and with the column's role as the reason."""
    roles = ("label", "time", "weight", "split")
    own = [role for role in roles if getattr(declaration, role) == guess.name]
    column = declaration.columns.get(guess.name, Column(kind="ignored"))
    reason = guess.reason if column == guess.column else "declared"
    if own:
        reason = f"the {own[0]}" if column.kind == "ignored" else f"{reason}; the {own[0]}"
    if declaration.group == guess.name:
        reason += "; groups rows for gAUC"
    return replace(guess, column=column, reason=reason)
