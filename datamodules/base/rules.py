"""The two rule sets that map the distinct values of a sparse field, with their train counts, to ids.

    clean  0 unseen in the train part, 1 missing, from 2 on the kept values; with min_count > 1 the last id is shared by
           all rare values. Missing, zero, rare and unseen are kept apart.
    bars   0 missing, rare or unseen, from 1 on the kept values. The fill value, which replaces a missing one, is never
           kept: if it is 0, a true zero also gets id 0. This is the vocabulary behind BARS's published numbers (FuxiCTR
           1.x, ranking/ctr), row for row.

Both keep the values seen at least min_count times in the train part, by descending count, ties by text.
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

    kept: pl.DataFrame  # columns id, value, count (in the train part)
    id_C: NDArray[np.int32]  # (C + 1,): id of each of C codes; the last is that of a missing value
    rows: int  # rows of the table


def vocabulary(values: pl.DataFrame, *, encoding: Encoding, min_count: int = 1, fill: str = "") -> Vocabulary:
    """Return the ids of a field's values.

    Args:
        values: One row per code: `value` (distinct texts, null if missing), `count` in the train part, and `most`, the
            largest of its counts in the columns that share the table.
        encoding: The rule set.
        min_count: Values whose `most` is smaller are rare.
        fill: The value that replaces a missing one under `bars`.
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
