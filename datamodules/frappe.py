"""Frappe_x1: app usage in context with sampled negatives, 288,609 rows, in RecZoo's csv layout.

Two negatives for each positive (33.3 % positive), so LogLoss has no calibration meaning. The field `cost` leaks: it is
a function of the item in the log but is copied from the positive row in the negatives.
"""

import os
from functools import cached_property
from pathlib import Path

import polars as pl

from datamodules.base import SPLITS, CTRDataModule, find_files, read_csv
from datamodules.base.read import file_digest

MD5 = {  # published on the card of RecZoo's Frappe_x1
    "train": "ba7306e6c4fc19dd2cd84f2f0596d158",
    "valid": "88d51bf2173505436d3a8f78f2a59da8",
    "test": "3470f6d32713dc5f7715f198ca7c612a",
}
TRAIN_NEGATIVES_REDRAWN_MD5 = "5a437193bd20ee6662b5dcd5eabd7052"


class Frappe(CTRDataModule):
    """The published parts train, valid and test (7:2:1, random)."""

    title = "Frappe_x1"
    licence = "research only, no redistribution, no commercial use"
    citation = "Baltrunas et al., arXiv 1505.03014; parts by Cheng et al., AAAI 2020 (AFN)"
    sparse_fields = (
        "user",
        "item",
        "daytime",
        "weekday",
        "isweekend",
        "homework",
        "cost",
        "weather",
        "country",
        "city",
    )

    def sources(self) -> list[Path]:
        """train.csv, valid.csv and test.csv in the data folder or its subfolder frappe_x1."""
        root = self.data_dir or Path(os.environ.get("WUKONG_BENCH_DATA", "data"))
        how = (
            "Get the data set reczoo/Frappe_x1 from the Hugging Face hub, put its three files there, or say where they "
            "are with --data FOLDER or WUKONG_BENCH_DATA"
        )
        return find_files("frappe", tuple(f"{split}.csv" for split in SPLITS), [root, root / "frappe_x1"], how)

    def read(self) -> dict[str, pl.DataFrame]:
        """The three files as they are."""
        return {split: read_csv(path) for split, path in zip(SPLITS, self.sources(), strict=True)}

    def full_title(self) -> str:
        """Frappe_x1 only where every file has its published md5."""
        differing = [split for split in SPLITS if self._md5[split] != MD5[split]]
        if not differing:
            return self.title
        if differing == ["train"] and self._md5["train"] == TRAIN_NEGATIVES_REDRAWN_MD5:
            return "Frappe_x1 (train negatives re-drawn)"
        return f"Frappe_x1 ({', '.join(differing)} not as published)"

    @cached_property
    def _md5(self) -> dict[str, str]:
        return {split: file_digest(path, "md5") for split, path in zip(SPLITS, self.sources(), strict=True)}
