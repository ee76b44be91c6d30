"""A data set of three csv files, train.csv, valid.csv and test.csv, with a dense field and a sparse one."""

from pathlib import Path

from datamodules.base import SPLITS, CTRDataModule, Delimited, Part, Source


class CsvParts(CTRDataModule):
    title = "Tiny"
    licence = "generated"
    citation = "none"
    dense_fields = ("x",)
    sparse_fields = ("c",)

    def sources(self) -> list[Path]:
        assert self.data_dir is not None
        return [self.data_dir / f"{split}.csv" for split in SPLITS]

    def read(self) -> dict[str, Part]:
        files = [Delimited(path) for path in self.sources()]
        return {split: Source(file) for split, file in zip(SPLITS, files, strict=True)}
