"""Guesses the kind of each column from a sample of rows, and says why."""

import re
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import polars as pl

from datamodules.own.declaration import Column, DatePart

ID_NAME = re.compile(r"(^|_|[a-z])(id|ids|key|code|hash|uuid|zip|zipcode|sku)$", re.IGNORECASE)
SPARSE, IGNORED = Column(kind="sparse"), Column(kind="ignored")
FEW = 32  # distinct numbers that are categories
LARGE = 10**9  # numbers of at least this size are ids
SEPARATORS = ("|", ";", "^", ",")  # of values in a cell, tried in this order
SEPARATED = 0.05  # share of cells with a separator from which a column has several values
REPEATED = 0.5  # largest share of distinct ones among the values of a multi-value column
LONGEST = 32  # values of a cell that are kept, at most
TEXT_LENGTH, TEXT_DISTINCT = 60, 0.9  # mean characters and share of distinct cells of free text
FORMATS = (
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.fZ",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%b %d %Y",
)
TIME_PARTS: tuple[DatePart, ...] = ("hour", "weekday")
DAY_PARTS: tuple[DatePart, ...] = ("weekday", "day", "month")
PARTS_OF_TYPE: dict[Any, tuple[DatePart, ...]] = {pl.Datetime: TIME_PARTS, pl.Date: DAY_PARTS, pl.Time: ("hour",)}


class Judgement(NamedTuple):
    """What a column is taken for, and why."""

    column: Column
    reason: str
    useless: Literal["", "unique", "constant"] = ""  # why it tells nothing of other rows


@dataclass(frozen=True)
class Guess:
    """A column with what it is taken for."""

    name: str
    dtype: str  # as in the file
    column: Column
    reason: str
    useless: Literal["", "unique", "constant"]
    examples: tuple[str, ...]


def guess(cells: pl.Series) -> Guess:
    """Return the kind of a column, given a sample of its cells."""
    values = cells.drop_nulls()
    if cells.dtype == pl.String:
        values = values.filter(values != "")
    judged = _judged(cells.name, values)
    examples = tuple(_short(value) for value in values.unique(maintain_order=True).head(2)) if _plain(values) else ()
    return Guess(cells.name, _type(cells.dtype), *judged, examples)


def _type(dtype: pl.DataType) -> str:
    return "text" if dtype == pl.String else str(dtype.base_type()).lower()


def _date_format(values: pl.Series) -> str | None:
    """Return the first of FORMATS that all texts have; None if there is none."""
    head = values.head(1000)
    for form in FORMATS:
        if len(head) and _parsed(head, form).null_count() == 0 and _parsed(values, form).null_count() == 0:
            return form
    return None


def _judged(name: str, values: pl.Series) -> Judgement:
    if not len(values):
        return Judgement(IGNORED, "all cells are empty", "constant")
    if values.dtype.is_nested():
        return _nested(values)
    if values.dtype in (pl.Binary, pl.Object, pl.Duration):
        return Judgement(IGNORED, f"{values.dtype} is not supported")
    if values.n_unique() == 1:
        return Judgement(IGNORED, f"always {_short(values[0])}", "constant")
    if values.dtype == pl.String or values.dtype.is_numeric():
        return _text(name, values) if values.dtype == pl.String else _number(name, values)
    parts = PARTS_OF_TYPE.get(values.dtype.base_type())
    column = Column(kind="date", parts=parts) if parts else SPARSE  # booleans and categoricals
    return Judgement(column, f"of type {_type(values.dtype)}")


def _nested(values: pl.Series) -> Judgement:
    inner = getattr(values.dtype, "inner", None)  # of a list; a struct has none
    if not isinstance(inner, pl.DataType) or inner.is_nested() or inner == pl.Binary:
        return Judgement(IGNORED, f"{values.dtype} is not supported")
    lengths = values.cast(pl.List(pl.String)).list.len()
    return Judgement(Column(kind="values", length=_longest(lengths)), "lists")


def _number(name: str, values: pl.Series) -> Judgement:
    number = values.cast(pl.Float64)
    number = number.filter(number.is_finite())
    if not len(number):
        return Judgement(IGNORED, "no finite number")
    low, high = float(number.min()), float(number.max())  # type: ignore[arg-type]  # of floats
    if not (number == number.round()).all():
        return Judgement(Column(kind="dense"), "numbers with fractions")
    if ID_NAME.search(name):
        return _id(values, "whole numbers, named like an id")
    if max(-low, high) >= LARGE:
        return _id(values, "whole numbers as large as an id")
    if (distinct := number.n_unique()) <= FEW:
        return Judgement(SPARSE, f"{distinct} distinct whole numbers")
    return Judgement(Column(kind="dense"), f"whole numbers from {low:,.0f} to {high:,.0f}")


def _text(name: str, values: pl.Series) -> Judgement:
    number = values.cast(pl.Float64, strict=False)
    if not number.null_count() and not values.str.contains(r"^0\d").any():
        return _number(name, number)
    if form := _date_format(values):
        parts = TIME_PARTS if "%H" in form else DAY_PARTS
        return Judgement(Column(kind="date", format=form, parts=parts), f"dates like {_short(values[0])}")
    if separator := _separator(values):
        longest = _longest(values.str.split(separator).list.len())
        return Judgement(Column(kind="values", separator=separator, length=longest), "several values in a cell")
    distinct = values.n_unique()
    if distinct / len(values) > TEXT_DISTINCT and values.str.len_chars().sum() / len(values) > TEXT_LENGTH:
        return Judgement(IGNORED, "free text")
    return _id(values, f"{distinct:,} distinct texts")


def _id(values: pl.Series, reason: str) -> Judgement:
    if len(values) > FEW and values.n_unique() == len(values):
        return Judgement(IGNORED, f"{reason}; another one in each row", "unique")
    return Judgement(SPARSE, reason)


def _separator(values: pl.Series) -> str | None:
    """Return the separator that many cells have, if its values recur and whole cells do less, as in names with a comma."""
    for separator in SEPARATORS:
        if values.str.contains(separator, literal=True).sum() < SEPARATED * len(values):
            continue
        parts = values.str.split(separator).explode()
        if parts.n_unique() < values.n_unique() and parts.n_unique() <= REPEATED * len(parts):
            return separator
    return None


def _longest(lengths: pl.Series) -> int:
    return max(1, min(LONGEST, *lengths.unique().sort().to_list()[-1:]))


def _parsed(values: pl.Series, form: str) -> pl.Series:
    if "%H" in form:
        return values.str.to_datetime(form, strict=False)
    return values.str.to_date(form, strict=False)


def _plain(values: pl.Series) -> bool:
    return not isinstance(values.dtype, pl.Object | pl.Struct)


def _short(value: object) -> str:
    text = str(value.to_list()) if isinstance(value, pl.Series) else str(value)
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= 19 else f"{text[:18]}…"
