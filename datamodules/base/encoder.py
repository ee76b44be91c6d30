"""Encodes rows that a data set has never seen as it encoded its own: the same ids, scales and missing values.

What that takes beyond the arrays is kept in `encoder-<format>/` in the cache folder, fitted when it is first asked for: the
rules with the scale of each dense field (rules.json), and the id of each value of each table (vocabulary.parquet). Values
that are rare in the train part are among them, since `clean` keeps them apart from unseen ones.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, FiniteFloat, PositiveInt, ValidationError

from datamodules._names import nearest
from datamodules.base.batches import damage_of
from datamodules.base.cache import ensure
from datamodules.base.cells import numbers
from datamodules.base.errors import DataError
from datamodules.base.fields import Derived, Encoding, Fields, sources
from datamodules.base.module import CTRDataModule
from datamodules.base.rules import FIRST_VALUE, MISSING, OOV
from datamodules.base.scales import Scale, fit_scales, scaled
from datamodules.base.stream import PADDING, Stream, in_sequences, padded

FORMAT = 1  # of the kept rules and vocabulary; raise it when what is fitted changes


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DenseRule(_Rule):
    """The scale of a dense field."""

    mean: FiniteFloat
    deviation: FiniteFloat
    flagged: bool


class TableRule(_Rule):
    """A sparse field: the column it is read from, and the rows of its table."""

    column: str
    rows: PositiveInt
    derived: bool = False  # computed from the column by the data set's class
    frozen: bool = False


class SequenceRule(_Rule):
    """A sequence field."""

    column: str
    table: str
    length: PositiveInt


class Rules(_Rule):
    """The fields of a data set in the order of the arrays, and how they are encoded, as JSON."""

    encoding: Encoding
    dense: dict[str, DenseRule]
    tables: dict[str, TableRule]  # frozen ones last
    sequences: dict[str, SequenceRule]

    @property
    def n_dense(self) -> int:
        """Number of dense columns in a batch."""
        return sum(1 + rule.flagged for rule in self.dense.values())

    @property
    def columns(self) -> list[str]:
        """The columns that are read, without repeats."""
        read = [rule.column for rules in (self.tables, self.sequences) for rule in rules.values()]
        return list(dict.fromkeys([*self.dense, *read]))

    def cardinalities(self, frozen: Mapping[str, Any]) -> list[Any]:
        """Return what a model is built from: rows or frozen table of each sparse field, length and field of each sequence."""
        names = list(self.tables)
        return [
            *(frozen[name] if rule.frozen else rule.rows for name, rule in self.tables.items()),
            *((rule.length, names.index(rule.table)) for rule in self.sequences.values()),
        ]


class Encoder:
    """Encodes rows by rules and vocabulary; each row by itself.

    Raises ValueError if the two do not fit together.

    Args:
        rules: The fields and how they are encoded.
        vocabulary: Columns field, value and id: every value that has an id of its own or is rare.
        derived: The data set's derived fields.
    """

    def __init__(self, rules: Rules, vocabulary: pl.DataFrame, derived: Mapping[str, Derived]):
        self.rules, self.vocabulary = rules, vocabulary
        self.derived = {name: derived[name] for name, rule in rules.tables.items() if rule.derived and name in derived}
        if missing := [name for name, rule in rules.tables.items() if rule.derived and name not in derived]:
            raise ValueError(f"the data set no longer derives the field {missing[0]!r}")
        tables = {str(name): own for (name,), own in vocabulary.sort("value").group_by("field", maintain_order=True)}
        self._tables: dict[str, tuple[pl.Series, NDArray[np.int32]]] = {}
        for name, rule in rules.tables.items():
            own = tables.get(name, vocabulary.clear())
            id_V = own["id"].cast(pl.Int32).to_numpy()
            if own["value"].null_count() or not ((id_V > OOV) & (id_V < rule.rows)).all():
                raise ValueError(f"the vocabulary of {name!r} does not fit its table of {rule.rows:,} rows")
            self._tables[name] = own["value"].cast(pl.String), id_V
        self._scales = [Scale(**rule.model_dump()) for rule in rules.dense.values()]

    def check_columns(self, columns: list[str], where: str) -> None:
        """Raise DataError naming the first column that is read and not among these."""
        for name in self.rules.columns:
            if name not in columns:
                raise DataError(f"{where}: no column {name!r}; {nearest(name, columns)}it has {', '.join(columns)}")

    def encode(
        self, rows: pl.DataFrame, place: Callable[[int], str], first: int = 0
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Return dense_RN and sparse_RF of R rows; a column that is not there counts as missing in every row.

        Raises DataError for a dense value that is not a finite number and for one that a derived field refuses.

        Args:
            rows: Columns in any order; others than those of the rules are ignored.
            place: Describes a row, counted from 0, in an error message.
            first: Rows before these.
        """
        absent = [pl.lit(None, pl.String).alias(name) for name in self.rules.columns if name not in rows.columns]
        rows = rows.with_columns(absent) if absent else rows
        names = list(self.rules.dense)
        x_RN = numbers(rows, names, place, first)
        columns = []
        for name, table in self.rules.tables.items():
            columns.append(self._ids(name, rows[table.column].cast(pl.String), place, first))
        for rule in self.rules.sequences.values():
            values, length_R = in_sequences(rows[rule.column])
            id_V = self._ids(rule.table, values, lambda row: f"a value of {rule.column}", 0)  # noqa: B023 (called at once)
            if self.rules.tables[rule.table].frozen:  # the mean is over existing vectors only
                id_V[id_V < FIRST_VALUE[self.rules.encoding]] = PADDING
            columns += [*padded(id_V, length_R, rule.length).T]
        sparse_RF = np.stack(columns, axis=1) if columns else np.empty((len(rows), 0), np.int32)
        return scaled(x_RN, self._scales, self.rules.encoding), sparse_RF

    def _ids(self, name: str, text: pl.Series, place: Callable[[int], str], first: int) -> NDArray[np.int32]:
        """Return the ids of R texts in the table of a field, (R,)."""
        missing_R = (text.is_null() | (text == "")).fill_null(True).to_numpy()
        if name in self.derived:
            text = self._computed(self.derived[name], text, place, first)
        values, id_V = self._tables[name]
        id_R = np.full(len(text), OOV, np.int32)
        if len(values) and len(text):
            at_R = values.search_sorted(text.fill_null("")).clip(upper_bound=len(values) - 1)
            known_R = (values.gather(at_R) == text).fill_null(False).to_numpy()
            id_R[known_R] = id_V[at_R.to_numpy()[known_R]]
        id_R[missing_R] = MISSING if self.rules.encoding == "clean" else OOV
        return id_R

    def _computed(self, derived: Derived, text: pl.Series, place: Callable[[int], str], first: int) -> pl.Series:
        """Return the values of a derived field. Raises DataError for a value that it refuses."""
        present = pl.when(pl.col("value") != "").then("value")
        frame = pl.DataFrame({"value": text}).with_columns(present)
        computed = frame.select(derived.compute(pl.col("value")).cast(pl.String)).to_series()
        refused = (computed.is_null() & frame["value"].is_not_null()).arg_true()
        if len(refused):
            value = text[refused[0]]
            raise DataError(f"{place(first + refused[0])}: {derived.column} is {value!r}; expected {derived.expected}")
        return computed


def encoder_of(data: CTRDataModule) -> Encoder:
    """Return the encoder of a data set, fitted to its train part unless that was done before. Raises DataError."""
    folder = ensure(data.folder / f"encoder-{FORMAT}", partial(_fit, data))
    with damage_of(folder):
        try:
            rules = Rules.model_validate_json((folder / "rules.json").read_bytes())
            return Encoder(rules, pl.read_parquet(folder / "vocabulary.parquet"), data.derived_fields)
        except ValidationError as error:
            raise ValueError(f"rules.json: {error.errors()[0]['msg']}") from None
        except pl.exceptions.PolarsError as error:
            raise ValueError(str(error).partition("\n")[0]) from None


def _fit(data: CTRDataModule, folder: Path) -> None:
    """Write the rules and the vocabulary of a data set; the raw train part is read again where the arrays do not tell."""
    fields = data.fields()
    scales, rare = [Scale() for _ in fields.dense], []
    if fields.encoding == "clean" and (fields.dense or fields.min_count > 1):
        stream = Stream(fields, data.title)
        (folder / "train").mkdir()
        stream.write(folder / "train", "train", sources(data.read()["train"]), data.most_train_rows)
        scales = fit_scales(folder / "train", fields)
        for array in (folder / "train").iterdir():
            array.unlink()
        (folder / "train").rmdir()
        rare = [_seen(name, stream) for name in fields.sparse if fields.min_count > 1]
    rows = dict(zip(fields.tables(), data.rows_of_tables(), strict=True))
    rules = Rules(
        encoding=fields.encoding,
        dense={name: DenseRule(**vars(scale)) for name, scale in zip(fields.dense, scales, strict=True)},
        tables={
            name: TableRule(
                column=fields.column(name), rows=n, derived=name in fields.derived, frozen=name in fields.frozen
            )
            for name, n in rows.items()
        },
        sequences={
            name: SequenceRule(column=fields.column(name), table=s.table, length=s.length)
            for name, s in fields.sequences.items()
        },
    )
    schema = pl.Schema({"field": pl.String(), "value": pl.String(), "id": pl.Int32()})
    kept = pl.DataFrame(schema=schema)
    if rows:
        kept = pl.read_parquet(data.folder / "vocabulary.parquet", columns=list(schema)).cast(schema)
    others = pl.concat([pl.DataFrame(schema=schema).drop("id"), *rare]).join(kept, on=["field", "value"], how="anti")
    last_row = pl.col("field").replace_strict(rows, return_dtype=pl.Int32) - 1
    pl.concat([kept, others.with_columns(last_row.alias("id"))]).write_parquet(folder / "vocabulary.parquet")
    (folder / "rules.json").write_text(rules.model_dump_json(indent=1), encoding="utf-8")


def _seen(name: str, stream: Stream) -> pl.DataFrame:
    """Return field and value of each distinct value of a sparse field that the train part has."""
    fields: Fields = stream.fields
    values = stream.values(name)
    frame = pl.DataFrame({"value": values}).filter((stream.occurrences(name).max(0) > 0) & (values != "").to_numpy())
    if name in fields.derived:
        frame = frame.select(fields.derived[name].compute(pl.col("value")).cast(pl.String).alias("value"))
    return frame.unique().select(pl.lit(name).alias("field"), "value")
