"""Criteo_x4_001: display ads, 45,840,617 rows, stratified random 8:1:1 parts, in RecZoo's csv layout; min count 10.

The 13 counts are categories: x > 2 becomes floor(ln(x)^2), any other x its integer part, so -3 to 2 do not change. The
data set's card says log2, and 1 for small x; the code behind the published numbers does what is described here. Under the
rule set `bars` a missing count is 0 and 0 is the fill value, so a true zero shares the OOV row. Only StratifiedKFold of
scikit-learn 0.19.1 yields the published parts; md5s tell them from others, row counts do not. Rows of the train part are
in the order of the folds, not of time.
"""

from typing import ClassVar

import polars as pl

from datamodules.base import Cells, Derived
from datamodules.base.reczoo import RecZooDataModule

COUNTS = tuple(f"I{i}" for i in range(1, 14))


def bucket(text: pl.Expr) -> pl.Expr:
    """Return floor(ln(x)^2) for x > 2, else the integer part of x; null where the text is not a finite number."""
    x = text.cast(pl.Float64, strict=False)
    x = pl.when(x.is_finite()).then(x)
    return pl.when(x > 2).then((x.log() ** 2).floor()).otherwise(x).cast(pl.Int64, strict=False)


class CriteoX4(RecZooDataModule):
    """The published train, valid and test parts."""

    title = "Criteo_x4_001"
    licence = "Criteo's terms of the challenge, non-commercial, no redistribution"
    citation = "Criteo Labs, Kaggle (2014); parts by Song et al., CIKM 2019 (AutoInt) as made anew by BARS"
    hub, folder_name = "Criteo_x4", "criteo_x4"
    md5 = {
        "train.csv": "4a53bb7cbc0e4ee25f9d6a73ed824b1a",
        "valid.csv": "fba5428b22895016e790e2dec623cb56",
        "test.csv": "cfc37da0d75c4d2d8778e76997df2976",
    }
    rows = {"train": 36_672_493, "valid": 4_584_062, "test": 4_584_062}
    positives = {"train": 9_396_350, "valid": 1_174_544, "test": 1_174_544}
    table_rows: ClassVar[int | None] = 910_708  # BARS's logistic regression without its bias
    label = "Label"
    sparse_fields = (*COUNTS, *(f"C{i}" for i in range(1, 27)))
    derived_fields = {name: Derived(name, bucket, "a number") for name in COUNTS}
    fill = dict.fromkeys(COUNTS, "0")
    min_count = 10
    cells = {
        **{name: Cells("count", missing=0.2) for name in COUNTS},
        **{f"C{i}": Cells("hex", missing=0.05) for i in range(1, 27)},
    }
