"""What is declared of a user's files: label, roles, fields, split. It is data: a .toml says it, and results carry it."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from datamodules.base.errors import DataError

Kind = Literal["dense", "sparse", "values", "date", "ignored"]
DatePart = Literal["hour", "weekday", "day", "month"]
MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "\\N")
LONGEST = 1000  # values of a cell that are kept at most
TITLE = re.compile(r"[^\x00-\x1f<>]{1,200}")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Column(_Strict):
    """How a column is read.

    dense    a number
    sparse   an id, a category or a text
    values   several ids in a cell: a list, or a text with a separator; read as its first value and as the mean of all
    date     a date or time, whose parts become sparse fields
    ignored  not read
    """

    kind: Kind
    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = None  # `values`, between those of a text
    length: Annotated[int, Field(ge=1, le=LONGEST)] | None = (
        None  # `values`, how many of a cell are kept, the last ones
    )
    format: Annotated[str, Field(min_length=2, max_length=40)] | None = None  # `date`, of texts; see strftime
    parts: Annotated[tuple[DatePart, ...], Field(min_length=1)] | None = None  # `date`, those that become fields

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        for key, kind in (("separator", "values"), ("length", "values"), ("format", "date"), ("parts", "date")):
            if getattr(self, key) is not None and self.kind != kind:
                raise ValueError(f"{key} is for columns of kind {kind}, and this one is {self.kind}")
        if self.kind == "date" and self.parts is None:
            raise ValueError("a date needs parts, any of hour, weekday, day and month")
        return self

    def shown(self) -> str:
        """Return the kind with its details, in a few words."""
        if self.kind == "values":
            return f"values by {self.separator!r}" if self.separator else "values"
        return f"date: {', '.join(self.parts)}" if self.parts else self.kind


def _column(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


def _texts(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]


class Declaration(_Strict):
    """What is declared of a user's files."""

    title: str
    label: str
    columns: dict[str, Annotated[Column, BeforeValidator(_column)]]
    licence: str = ""
    citation: str = ""
    time: str | None = None  # the earliest rows train, the latest test
    group: str | None = None  # groups the rows for gAUC
    weight: str | None = None  # of a row, in the loss and in all metrics
    split: str | None = None  # a column that says train, valid or test
    shares: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = (8, 1, 1)
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0  # of the split, where neither time nor split is given
    min_count: Annotated[int, Field(ge=1, le=10**6)] = 2  # values seen fewer times in the train part are rare
    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = (
        None  # between cells; None: guessed from line 1
    )
    missing: tuple[str, ...] = MISSING  # texts that mean that a cell is empty
    user_fields: Texts = ()  # for models that ask
    item_fields: Texts = ()
    files: Texts | dict[Literal["train", "valid", "test"], Texts] = ()  # beside the .toml; () for those of its name

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not TITLE.fullmatch(self.title):
            raise ValueError(f"title {self.title!r}: expected 1 to 200 characters, no markup")
        roles = {"label": self.label, "time": self.time, "weight": self.weight, "split": self.split}
        named = [name for name in roles.values() if name is not None]
        if len(set(named)) < len(named):
            raise ValueError(f"label, time, weight and split must be different columns; given {', '.join(named)}")
        for role in ("label", "weight", "split"):
            column = self.columns.get(roles[role] or "")
            if column is not None and column.kind != "ignored":
                raise ValueError(f"{roles[role]!r} is the {role} and cannot be a field, too")
        if self.time and self.split:
            raise ValueError("time and split both say which rows train; give one of them")
        if isinstance(self.files, dict) and (self.time or self.split or set(self.files) != {"train", "valid", "test"}):
            raise ValueError("files by part must name train, valid and test, and no time or split column")
        if not any(column.kind != "ignored" for column in self.columns.values()):
            raise ValueError("no column is a field: each is ignored")
        for name in (*self.user_fields, *self.item_fields):
            if name not in self.columns or self.columns[name].kind not in ("dense", "sparse"):
                raise ValueError(f"user_fields and item_fields name dense and sparse columns; {name!r} is none")
        return self

    def of(self, *kinds: Kind) -> list[str]:
        """Return the columns of these kinds, in order."""
        return [name for name, column in self.columns.items() if column.kind in kinds]


def first_problem(error: ValidationError) -> str:
    """Return the first problem of a declaration in one line."""
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"] if part != "function-before[_column(), Column]")
    return f"{place}: {problem['msg'].removeprefix('Value error, ')}".removeprefix(": ")


def read(path: Path, **given: str | None) -> dict[str, Any]:
    """Return what a .toml says, with what was given on the command line in place of it.

    Raises DataError if the file is no TOML, or says something else than what is given.

    Args:
        path: of the .toml.
        given: values by key; None: not given.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    for key, value in given.items():
        if value is not None and values.setdefault(key, value) != value:
            raise DataError(f"{path}: says {key} = {values[key]!r}, and --{key} {value!r} was given; give one of them")
    return values


def validated(values: dict[str, Any], where: str) -> Declaration:
    """Return the declaration with these values. Raises DataError naming the first problem.

    Args:
        values: by key.
        where: they are from, for the message.
    """
    try:
        return Declaration.model_validate(values)
    except ValidationError as error:
        raise DataError(f"{where}: {first_problem(error)}") from None
