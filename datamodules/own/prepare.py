"""Turns the raw columns of a user's files into the columns of fields, as expressions that polars applies block by block."""

from collections.abc import Iterable

import polars as pl

from datamodules.base.errors import DataError
from datamodules.base.fields import Sequence
from datamodules.base.stream import SEPARATOR
from datamodules.own.declaration import Column, Declaration

TRUTH = {"true": "1", "false": "0", "True": "1", "False": "0", "TRUE": "1", "FALSE": "0"}
OF_A_TIME, OF_A_DAY = ("hour",), ("weekday", "day", "month")
WITH_TIME = OF_A_TIME + OF_A_DAY
INSTEAD = "\x1f"  # of SEPARATOR within a value


def first_of(name: str) -> str:
    """Return the sparse field with the first value of a multi-value column, whose table the column shares."""
    return f"{name}, first"


def part_of(name: str, part: str) -> str:
    """Return the sparse field with a part of a date."""
    return f"{name}, {part}"


def sparse_fields(declaration: Declaration) -> tuple[str, ...]:
    """Return the sparse fields that the columns become, in the order of the columns."""
    names: list[str] = []
    for name, column in declaration.columns.items():
        if column.kind == "sparse":
            names.append(name)
        elif column.kind == "values":
            names.append(first_of(name))
        elif column.kind == "date":
            names += [part_of(name, part) for part in column.parts or ()]
    return tuple(names)


def sequence_fields(declaration: Declaration) -> dict[str, Sequence]:
    """Return the fields with several values per row."""
    columns = {name: declaration.columns[name] for name in declaration.of("values")}
    return {name: Sequence(column.length or 1, first_of(name)) for name, column in columns.items()}


def cleaned(frame: pl.LazyFrame, missing: Iterable[str]) -> pl.LazyFrame:
    """Return the frame with null for the texts that mean a missing cell."""
    texts = [name for name, dtype in frame.collect_schema().items() if dtype == pl.String]
    empty = list(missing)
    if not texts or not empty:
        return frame
    return frame.with_columns(pl.when(~pl.col(name).is_in(empty)).then(pl.col(name)).alias(name) for name in texts)


def prepared(frame: pl.LazyFrame, declaration: Declaration, *, labelled: bool = True) -> pl.LazyFrame:
    """Return the label, the fields, the group and the weight as columns; others are dropped.

    Raises DataError if a column is missing or has a type that cannot be read as declared.

    Args:
        frame: raw rows.
        declaration: of the data set.
        labelled: whether rows have labels, groups and weights. New rows to be scored have none, and whoever scores them says
            what becomes of a missing column.
    """
    schema, columns = frame.collect_schema(), list[pl.Expr]()
    if labelled:
        roles = (declaration.label, declaration.weight, declaration.group)
        fields = declaration.of("dense", "sparse", "values", "date")
        for name in (*roles, *fields):
            if name is not None and name not in schema:
                raise DataError(f"no column {name!r}; there are {', '.join(schema)}")
        columns.append(label(declaration.label, schema[declaration.label]))
        if declaration.weight:
            columns.append(pl.col(declaration.weight))
    for name, column in declaration.columns.items():
        if column.kind != "ignored" and name in schema:
            columns += _field(name, column, schema[name])
    made = {expression.meta.output_name() for expression in columns}
    if labelled and declaration.group and declaration.group not in made:
        columns.append(_text(declaration.group, schema[declaration.group]))
    return cleaned(frame, declaration.missing).select(columns)


def label(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return a label column with 1 and 0 for true and false."""
    if dtype == pl.Boolean:
        return pl.col(name).cast(pl.Int8)
    return pl.col(name).replace(TRUTH) if dtype == pl.String else pl.col(name)


def _field(name: str, column: Column, dtype: pl.DataType) -> list[pl.Expr]:
    if column.kind == "dense":
        if not (dtype.is_numeric() or dtype in (pl.String, pl.Boolean)):
            raise DataError(f"column {name!r} is {dtype} and cannot be dense; expected numbers")
        return [pl.col(name) if dtype == pl.String else pl.col(name).cast(pl.Float64)]
    if column.kind == "sparse":
        return [_text(name, dtype)]
    if column.kind == "date":
        return _parts(name, column, dtype)
    return _values(name, column, dtype)


def _text(name: str, dtype: pl.DataType) -> pl.Expr:
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
        raise DataError(f"column {name!r} is {dtype} and cannot be sparse; expected texts, numbers or categories")
    return pl.col(name) if dtype == pl.String else pl.col(name).cast(pl.String)


def _parts(name: str, column: Column, dtype: pl.DataType) -> list[pl.Expr]:
    when = moment(name, column.format, dtype)
    known: tuple[str, ...] = WITH_TIME
    if dtype == pl.Date or "%H" not in (column.format or "%H"):
        known = OF_A_DAY
    elif dtype == pl.Time:
        known = OF_A_TIME
    if unknown := [part for part in column.parts or () if part not in known]:
        raise DataError(f"column {name!r} has no {unknown[0]}; parts are any of {', '.join(known)}")
    ways = {"hour": when.dt.hour, "weekday": when.dt.weekday, "day": when.dt.day, "month": when.dt.month}
    return [ways[part]().cast(pl.String).alias(part_of(name, part)) for part in column.parts or ()]


def moment(name: str, form: str | None, dtype: pl.DataType) -> pl.Expr:
    """Return a column as dates or times. Raises DataError if it is neither and has no format.

    Args:
        name: of the column.
        form: of texts, see strftime; None for other types.
        dtype: of the column.
    """
    if dtype == pl.String:
        if not form:
            raise DataError(
                f"column {name!r} is text; give the format of its dates, as in format = '%Y-%m-%d %H:%M:%S'"
            )
        return pl.col(name).str.to_datetime(form) if "%H" in form else pl.col(name).str.to_date(form)
    if dtype not in (pl.Datetime, pl.Date, pl.Time):
        raise DataError(
            f"column {name!r} is {dtype} and cannot be a date; expected dates, times or texts with a format"
        )
    return pl.col(name)


def _values(name: str, column: Column, dtype: pl.DataType) -> list[pl.Expr]:
    if dtype == pl.String:
        if not column.separator:
            raise DataError(f"column {name!r} is text; give the separator of its values, as in separator = '|'")
        cells = pl.col(name).str.split(column.separator)
    elif isinstance(dtype, pl.List | pl.Array):
        cells = pl.col(name).cast(pl.List(pl.String))
    else:
        raise DataError(f"column {name!r} is {dtype} and cannot have several values; expected lists or texts")
    value = pl.element().str.strip_chars().str.replace_all(SEPARATOR, INSTEAD, literal=True)
    values = cells.list.eval(value.filter((value != "") & value.is_not_null()))
    return [values.list.first().alias(first_of(name)), values.list.join(SEPARATOR).alias(name)]
