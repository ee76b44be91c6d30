"""From a frame of raw values to the arrays that models read; vocabularies and scales come from the train part only.

Sparse fields: id 0 is every value that is rare in or absent from the train part (OOV), id 1 a missing value, ids from 2 on
the kept values by falling count, ties by text. Dense fields: sign(x) log(1 + |x|), standardised; a missing value becomes 0,
and a field with missing values in the train part has a second column that says where.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

OOV, MISSING, FIRST_VALUE = 0, 1, 2


class DataError(ValueError):
    """The raw data are missing or not what was declared; the message says where and what is allowed."""


@dataclass(frozen=True)
class Arrays:
    """One encoded part: dense_RN float32, sparse_RF int32, label_R float32 (R rows)."""

    dense: NDArray[np.float32]
    sparse: NDArray[np.int32]
    label: NDArray[np.float32]


@dataclass(frozen=True)
class Encoder:
    """The vocabularies of the sparse fields and the scales of the dense fields, learnt from the train part."""

    vocabulary: dict[str, list[str]]  # kept values of each sparse field, in the order of their ids
    scale: dict[str, tuple[float, float, bool]]  # mean, standard deviation, has missing values; after the logarithm

    @classmethod
    def fit(cls, train: pl.DataFrame, dense: tuple[str, ...], sparse: tuple[str, ...], min_count: int) -> Self:
        """Learn from the train part; a value seen fewer than `min_count` times becomes OOV."""
        vocabulary = {}
        for field in sparse:
            counts = train.select(pl.col(field).cast(pl.String)).drop_nulls().group_by(field).len()
            kept = counts.filter(pl.col("len") >= min_count).sort(["len", field], descending=[True, False])
            vocabulary[field] = kept[field].to_list()
        scale = {}
        for field in dense:
            x = _logarithm(train[field]).to_numpy()
            finite = x[~np.isnan(x)]
            mean = float(finite.mean()) if len(finite) else 0.0
            deviation = float(finite.std()) if len(finite) else 0.0
            scale[field] = (mean, deviation or 1.0, len(finite) < len(x))
        return cls(vocabulary, scale)

    @property
    def cardinalities(self) -> list[int]:
        """Rows of each sparse field's table, those of OOV and missing included."""
        return [FIRST_VALUE + len(values) for values in self.vocabulary.values()]

    @property
    def dense_columns(self) -> list[str]:
        """Names of the dense columns: the fields, each followed by its missing flag where it has one."""
        return [
            column
            for field, (_, _, has_missing) in self.scale.items()
            for column in ([field, f"{field} is missing"] if has_missing else [field])
        ]

    def transform(self, part: pl.DataFrame) -> Arrays:
        """Encode a checked part."""
        columns = []
        for field, (mean, deviation, has_missing) in self.scale.items():
            x = (_logarithm(part[field]).to_numpy() - mean) / deviation
            missing = np.isnan(x)
            columns.append(np.where(missing, 0.0, x))
            if has_missing:
                columns.append(missing)
        dense = np.stack(columns, axis=1) if columns else np.empty((len(part), 0))
        ids = [
            pl.when(pl.col(field).is_null())
            .then(MISSING)
            .otherwise(
                pl.col(field)
                .cast(pl.String)
                .replace_strict(
                    values, range(FIRST_VALUE, FIRST_VALUE + len(values)), default=OOV, return_dtype=pl.Int32
                )
                if values
                else pl.lit(OOV)
            )
            .cast(pl.Int32)
            .alias(field)
            for field, values in self.vocabulary.items()
        ]
        sparse = part.select(ids).to_numpy() if ids else np.empty((len(part), 0))
        return Arrays(
            np.ascontiguousarray(dense, np.float32),
            np.ascontiguousarray(sparse, np.int32),
            part["label"].cast(pl.Float32).to_numpy(),
        )


def _logarithm(values: pl.Series) -> pl.Series:
    """sign(x) log(1 + |x|) as float64 with NaN where the value is missing."""
    x = values.cast(pl.Float64)
    return (x.sign() * (1 + x.abs()).log()).fill_null(float("nan"))


def checked(name: str, part: pl.DataFrame, dense: tuple[str, ...], sparse: tuple[str, ...], where: str) -> pl.DataFrame:
    """The part with its declared columns and a 0/1 label. Raises DataError naming part, row and value."""
    absent = [column for column in ("label", *dense, *sparse) if column not in part.columns]
    if absent:
        raise DataError(f"{where}: no column {', '.join(map(repr, absent))}; it has {', '.join(part.columns)}")
    if not len(part):
        raise DataError(f"{where}: the {name} part has no rows")
    label = part["label"].cast(pl.Float64, strict=False)
    bad = (~label.is_in([0.0, 1.0]) | label.is_null()).arg_true()
    if len(bad):
        row = bad[0]
        raise DataError(f"{where}: label of data row {row + 1} is {part['label'][row]!r}; allowed are 0 and 1")
    positives = int(label.sum())
    if positives in (0, len(part)):
        raise DataError(
            f"{where}: the {name} part has one class only ({positives:,} positives in {len(part):,} rows); "
            "AUC needs both"
        )
    columns = [label.cast(pl.Float32).alias("label")]
    for field in dense:
        value = part[field].cast(pl.Float64, strict=False)
        unread = (value.is_null() & part[field].is_not_null()) | value.is_infinite().fill_null(False)
        if unread.any():
            row = unread.arg_true()[0]
            raise DataError(
                f"{where}: {field} of data row {row + 1} is {part[field][row]!r}; allowed are finite numbers"
            )
        columns.append(value.fill_nan(None).alias(field))
    return part.select([*columns, *(pl.col(field) for field in sparse)])
