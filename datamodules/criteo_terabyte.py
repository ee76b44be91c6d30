"""Criteo Terabyte: click logs of 24 days, about 4.4 thousand million rows, raw day files; the last day is the test part.

day_0 to day_23, each perhaps gzip'ed: the columns of the Kaggle log, 13 counts and 26 categories hashed to 32 bits, no
header, no quotes. Negatives were subsampled by Criteo. Days 0 to 21 train, day 22 validation, day 23 test: MLPerf halves
the last day instead, so results do not compare. With the days at hand that are fewer, the last two of them take their
places and the title says how many there are.
"""

from collections.abc import Mapping
from pathlib import Path

from datamodules.base import CTRDataModule, DataError, Delimited, Layout, Part, Source, data_root
from datamodules.criteo_kaggle import CATEGORIES, COUNTS, CriteoKaggle

DAYS = 24


class CriteoTerabyte(CTRDataModule):
    """By whole days: all but the last two train, the last but one validation, the last test."""

    title = "Criteo Terabyte"
    licence = "Criteo: CC BY-NC-SA 4.0"
    citation = "Criteo AI Lab, Criteo 1TB Click Logs (2013)"
    dense_fields = COUNTS
    sparse_fields = CATEGORIES
    min_count = 10

    def sources(self) -> list[Path]:
        """day_0, day_1, ... in the data folder or its subfolder criteo_terabyte, without a gap."""
        root = data_root(self.data_dir)
        for folder in (root, root / "criteo_terabyte"):
            days = []
            for day in range(DAYS):
                found = [path for path in (folder / f"day_{day}", folder / f"day_{day}.gz") if path.is_file()]
                if not found:
                    break
                days.append(found[0])
            if len(days) >= 3:
                return days
        raise DataError(
            f"criteo_terabyte: no folder with day_0, day_1 and day_2 at least; looked in {root} and "
            f"{root / 'criteo_terabyte'}. Get the day files from Criteo AI Lab and put them there"
        )

    def read(self) -> Mapping[str, Part]:
        """Whole files, one after the other."""
        files = [Delimited(path, "\t", (self.label, *COUNTS, *CATEGORIES), quoted=False) for path in self.sources()]
        days = list(map(Source, files))
        return {"train": days[:-2], "valid": days[-2], "test": days[-1]}

    def full_title(self) -> str:
        """Says how many days there are, if not all."""
        days = len(self.sources())
        return self.title if days == DAYS else f"{self.title}, the first {days} of {DAYS} days"

    @classmethod
    def layout(cls) -> Layout:
        """Three days of the Kaggle log's columns."""
        kaggle = CriteoKaggle.layout()
        return Layout(("day_0", "day_1", "day_2"), kaggle.columns, kaggle.separator, kaggle.header)
