"""Criteo Kaggle: the raw log of the display advertising challenge, 45,840,617 rows of seven days in time order.

train.txt: tab-separated, no header, no quotes; label, 13 counts (some negative, many missing), 26 hashed categories
(many missing). Positives and negatives were subsampled at different rates: 25.6 % are positive. The challenge's test.txt
has no labels. RecZoo's criteo_x1 and criteo_x4 split this file differently; results here are comparable with neither.
"""

from collections.abc import Mapping
from pathlib import Path

from datamodules.base import Cells, CTRDataModule, Delimited, Layout, Part, Source, find_files

COUNTS = tuple(f"I{i}" for i in range(1, 14))
CATEGORIES = tuple(f"C{i}" for i in range(1, 27))
DISTINCT = (  # distinct values of each category in a synthetic twin
    *(1400, 550, 200_000, 100_000, 300, 20, 12_000, 600, 3, 90_000, 5600, 180_000, 3100),
    *(26, 11_500, 140_000, 10, 5300, 2000, 4, 170_000, 18, 15, 60_000, 90, 45_000),
)


class CriteoKaggle(CTRDataModule):
    """In file order, which is time order: the first 80 % of the rows train, then 10 % validation and 10 % test."""

    title = "Criteo Kaggle (split by time)"
    licence = "Criteo's terms of the challenge, non-commercial, no redistribution"
    citation = "Criteo Labs, Kaggle Display Advertising Challenge (2014)"
    dense_fields = COUNTS
    sparse_fields = CATEGORIES
    min_count = 10

    def sources(self) -> list[Path]:
        """Return the path of train.txt, in the data folder or its subfolder criteo_kaggle."""
        how = "Get the Criteo display advertising challenge's dac.tar.gz from Criteo or Kaggle"
        return find_files("criteo_kaggle", ("train.txt",), self.data_dir, how)

    @classmethod
    def layout(cls) -> Layout:
        """Return the layout of train.txt."""
        counts = {name: Cells("count", missing=0.2) for name in COUNTS}
        categories = {
            name: Cells("hex", distinct, missing)
            for name, distinct, missing in zip(CATEGORIES, DISTINCT, [0.0, 0.0, 0.1] * 9, strict=False)
        }
        return Layout(("train.txt",), {cls.label: Cells("label"), **counts, **categories}, "\t", header=False)

    def read(self) -> Mapping[str, Part]:
        """Return the parts as three runs of consecutive rows."""
        file = Delimited(self.sources()[0], "\t", (self.label, *COUNTS, *CATEGORIES), quoted=False)
        valid, test = int(file.rows * 0.8), int(file.rows * 0.9)
        return {
            "train": Source(file, 0, valid),
            "valid": Source(file, valid, test - valid),
            "test": Source(file, test),
        }
