"""Avazu_x4_001: mobile ads, 40,428,967 rows, stratified random 8:1:1 parts, in RecZoo's csv layout; min count 2.

Raw columns: `id` is dropped; `hour`, written YYMMDDHH, becomes hour of day, weekday (Sunday 0) and weekend. 17.0 %
positive in every part. Only StratifiedKFold of scikit-learn 0.19.1 yields the published parts; their md5s identify them.
"""

from typing import ClassVar

import polars as pl

from datamodules.base import Cells, Derived
from datamodules.base.reczoo import RecZooDataModule

ANONYMOUS = ("C1", *(f"C{i}" for i in range(14, 22)))
SITE_AND_APP = ("site_id", "site_domain", "site_category", "app_id", "app_domain", "app_category")
DEVICE = ("device_id", "device_ip", "device_model", "device_type", "device_conn_type")


def _day(text: pl.Expr) -> pl.Expr:
    return (pl.lit("20") + text.str.slice(0, 6)).str.to_date("%Y%m%d", strict=False)


def hour(text: pl.Expr) -> pl.Expr:
    """Return the hour of day of YYMMDDHH; null if it is not a valid date and hour."""
    value = text.str.slice(6).cast(pl.Int64, strict=False)
    return pl.when(_day(text).is_not_null() & value.is_between(0, 23)).then(value)


def weekday(text: pl.Expr) -> pl.Expr:
    """Return the day of the week of YYMMDDHH, Sunday 0."""
    return _day(text).dt.weekday() % 7


def weekend(text: pl.Expr) -> pl.Expr:
    """Return 1 on Saturday and Sunday, else 0."""
    return weekday(text).replace_strict({0: 1, 6: 1}, default=pl.when(weekday(text).is_not_null()).then(0))


class AvazuX4(RecZooDataModule):
    """The published train, valid and test parts."""

    title = "Avazu_x4_001"
    licence = "terms of the Kaggle competition, no redistribution"
    citation = "Avazu, Kaggle (2014); parts by Song et al., CIKM 2019 (AutoInt) as made anew by BARS"
    hub, folder_name = "Avazu_x4", "avazu_x4"
    md5 = {
        "train.csv": "de3a27264cdabf66adf09df82328ccaa",
        "valid.csv": "33232931d84d6452d3f956e936cab2c9",
        "test.csv": "3ebb774a9ca74d05919b84a3d402986d",
    }
    rows = {"train": 32_343_172, "valid": 4_042_897, "test": 4_042_898}
    positives = {"train": 5_492_052, "valid": 686_507, "test": 686_507}
    table_rows: ClassVar[int | None] = 3_750_975  # the published counts of four models agree on it
    label = "click"
    sparse_fields = (*ANONYMOUS[:1], "banner_pos", *SITE_AND_APP, *DEVICE, *ANONYMOUS[1:], "hour", "weekday", "weekend")
    derived_fields = {
        name: Derived("hour", compute, "an hour as YYMMDDHH")
        for name, compute in (("hour", hour), ("weekday", weekday), ("weekend", weekend))
    }
    min_count = 2
    columns = ("id", "click", "hour", "C1", "banner_pos", *SITE_AND_APP, *DEVICE, *ANONYMOUS[1:])
    cells = {"id": Cells("index"), "hour": Cells("hour", 240)}
