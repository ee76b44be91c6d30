"""Writes a drafted declaration as TOML, with the reason of each guess, to be read and corrected."""

import json

from datamodules.own.declaration import Column
from datamodules.own.draft import Draft

HEAD = """\
# What `wukong-bench` reads from these files. Correct it, keep it beside them under their name, and name either with --datasets.
# A column is "dense" (a number), "sparse" (an id or category), "ignored", or a table:
# {kind = "values", separator = "|", length = 8} for several ids in a cell,
# {kind = "date", parts = ["hour", "weekday"], format = "%Y-%m-%d %H:%M:%S"} for a date.
"""


def toml(draft: Draft) -> str:
    """Return the declaration as TOML with comments.

    Args:
        draft: of the data set.
    """
    declaration = draft.declared.declaration
    lines = [HEAD, f"title = {_text(declaration.title)}", f"label = {_text(declaration.label)}"]
    for role, meaning in (
        ("time", "the earliest rows train, the latest test"),
        ("group", "groups rows for gAUC"),
        ("weight", "weighs rows in loss and metrics"),
        ("split", "says train, valid or test"),
    ):
        value = getattr(declaration, role)
        lines.append(f"{role} = {_text(value)}" if value else f'# {role} = "COLUMN" # {meaning}')
    if not declaration.split and "" in draft.declared.files:
        lines.append(f"shares = {list(declaration.shares)} # of train, valid and test rows")
    lines += [
        f"min_count = {declaration.min_count} # values seen fewer times in the train part are rare",
        "",
        "[columns]",
    ]
    for guess in draft.guesses:
        if guess.name in declaration.columns:
            lines.append(f"{_text(guess.name)} = {_column(guess.column)} # {guess.reason}")
    return "\n".join(lines) + "\n"


def _column(column: Column) -> str:
    said = column.model_dump(exclude_none=True)
    if list(said) == ["kind"]:
        return _text(column.kind)
    return "{" + ", ".join(f"{key} = {json.dumps(value)}" for key, value in said.items()) + "}"


def _text(value: str) -> str:
    """Return a basic string of TOML, which escapes as JSON does."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
