"""Criteo Terabyte: click logs of 24 days, about 4.4 billion rows, raw day files; the last day is the test part.

day_0 to day_23, plain or gzipped: the columns of the Kaggle log, 13 counts and 26 categories hashed to 32 bits, no header,
no quotes. Criteo subsampled the negatives. Days 0 to 21 train, day 22 validation, day 23 test. MLPerf halves the last day
instead, so results are not comparable. With fewer days, the last two are validation and test, and the title says how many
days there are.
"""

from collections.abc import Mapping
from pathlib import Path

from datamodules.base import CTRDataModule, DataError, Delimited, Layout, Part, Source, data_root
from datamodules.criteo_kaggle import CATEGORIES, COUNTS, CriteoKaggle

DAYS = 24


class CriteoTerabyte(CTRDataModule):
    """Whole days: the last is the test part, the one before it validation, all others train."""

    title = "Criteo Terabyte"
    licence = "Criteo: CC BY-NC-SA 4.0"
    citation = "Criteo AI Lab, Criteo 1TB Click Logs (2013)"
    dense_fields = COUNTS
    sparse_fields = CATEGORIES
    min_count = 10

    def sources(self) -> list[Path]:
        """Return day_0, day_1, ... up to the first gap, in the data folder or its subfolder criteo_terabyte."""
        root = data_root(self.data_dir)
        for folder in (root, root / "criteo_terabyte"):
            days = []
            for day in range(DAYS):
                files = [path for path in (folder / f"day_{day}", folder / f"day_{day}.gz") if path.is_file()]
                if not files:
                    break
                days.append(files[0])
            if len(days) >= 3:
                return days
        raise DataError(
            f"criteo_terabyte: no folder has at least day_0, day_1 and day_2; looked in {root} and "
            f"{root / 'criteo_terabyte'}. Get the day files from Criteo AI Lab and put them there"
        )

    def read(self) -> Mapping[str, Part]:
        """Return the parts, each made of whole day files."""
        files = [Delimited(path, "\t", (self.label, *COUNTS, *CATEGORIES), quoted=False) for path in self.sources()]
        days = list(map(Source, files))
        return {"train": days[:-2], "valid": days[-2], "test": days[-1]}

    def full_title(self) -> str:
        """Return the title, with the number of days if some are missing."""
        days = len(self.sources())
        return self.title if days == DAYS else f"{self.title}, the first {days} of {DAYS} days"

    @classmethod
    def layout(cls) -> Layout:
        """Return the layout of three day files with the columns of the Kaggle log."""
        kaggle = CriteoKaggle.layout()
        return Layout(("day_0", "day_1", "day_2"), kaggle.columns, kaggle.separator, kaggle.header)
