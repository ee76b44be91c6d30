"""The two rule sets that turn the distinct values of a sparse field, with their counts in the train part, into ids.

    clean  0 a value never seen in the train part, 1 a missing value, from 2 on the kept values; where min_count > 1 the
           last id is every rare value. Missing, zero, rare and unseen are four different things.
    bars   0 everything that is missing, rare or unseen, from 1 on the kept values. The fill value, which stands for a
           missing one, is never kept: where it is 0, a true zero has id 0 too. This is the vocabulary behind BARS's
           numbers (FuxiCTR 1.x, ranking/ctr), row for row.

Both keep the values seen at least min_count times in the train part, by falling count, ties by text.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from datamodules.base.fields import Encoding

OOV = 0  # clean: unseen; bars: missing, rare or unseen
MISSING = 1  # clean only
FIRST_VALUE: dict[Encoding, int] = {"clean": 2, "bars": 1}


@dataclass(frozen=True)
class Vocabulary:
    """The ids of one table."""

    kept: pl.DataFrame  # id, value, count in the train part
    id_C: NDArray[np.int32]  # id of each of C codes; at place -1 that of a missing value
    rows: int  # of the table


def vocabulary(values: pl.DataFrame, *, encoding: Encoding, min_count: int = 1, fill: str = "") -> Vocabulary:
    """The ids of a field's values.

    values: a row for each code, `value` (distinct texts, null if missing), `count` in the train part, and `most`, the
    greatest of its counts in the columns that share the table, which is what min_count is held against.
    """
    is_value = pl.col("value").is_not_null()
    if encoding == "bars":
        is_value &= pl.col("value") != fill
    first, missing = FIRST_VALUE[encoding], MISSING if encoding == "clean" else OOV
    kept = (
        values.with_row_index("code")
        .filter(is_value & (pl.col("most") >= max(1, min_count)))
        .sort("count", "value", descending=[True, False])
        .select("code", pl.int_range(first, pl.len() + first, dtype=pl.Int32).alias("id"), "value", "count")
    )
    rows = first + len(kept)
    id_C = np.full(len(values) + 1, OOV, np.int32)
    if encoding == "clean" and min_count > 1:
        id_C[:-1][values.select(is_value & (pl.col("most") > 0)).to_series().to_numpy()] = rows
        rows += 1
    id_C[kept["code"].to_numpy()] = kept["id"].to_numpy()
    id_C[:-1][values["value"].is_null().to_numpy()] = missing
    id_C[-1] = missing
    return Vocabulary(kept.drop("code"), id_C, rows)
