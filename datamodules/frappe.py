"""Frappe_x1: app usage in context with sampled negatives, 288,609 rows, in RecZoo's csv layout.

Two negatives per positive (33.3 % positive), so LogLoss says nothing about calibration. The field `cost` leaks the label:
in the log it is a function of the item, but a negative copies it from its positive row.
"""

from typing import ClassVar

from datamodules.base import Encoding, remembered_digest
from datamodules.base.reczoo import RecZooDataModule

TRAIN_NEGATIVES_REDRAWN_MD5 = "5a437193bd20ee6662b5dcd5eabd7052"


class Frappe(RecZooDataModule):
    """The published train, valid and test parts (7:2:1, random)."""

    title = "Frappe_x1"
    licence = "research only, no redistribution, no commercial use"
    citation = "Baltrunas et al., arXiv 1505.03014; parts by Cheng et al., AAAI 2020 (AFN)"
    hub, folder_name = "Frappe_x1", "frappe_x1"
    md5 = {
        "train.csv": "ba7306e6c4fc19dd2cd84f2f0596d158",
        "valid.csv": "88d51bf2173505436d3a8f78f2a59da8",
        "test.csv": "3470f6d32713dc5f7715f198ca7c612a",
    }
    rows = {"train": 202_027, "valid": 57_722, "test": 28_860}
    positives = {"train": 67_604, "valid": 19_063, "test": 9_536}
    table_rows: ClassVar[int | None] = 5_389
    encoding: ClassVar[Encoding] = "clean"
    sparse_fields: ClassVar[tuple[str, ...]] = (
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

    user_fields = ("user",)
    item_fields = ("item",)
    recipe = "frappe_x1"

    def full_title(self) -> str:
        """Return the title, marked where the train file is the known one with re-drawn negatives."""
        if self.differing == ["train"] and remembered_digest(self.sources()[0], "md5") == TRAIN_NEGATIVES_REDRAWN_MD5:
            return f"{self.title} (train negatives re-drawn)"
        return super().full_title()
