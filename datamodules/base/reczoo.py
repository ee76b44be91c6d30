"""RecZoo's csv layout: train.csv, valid.csv and test.csv with a header, identified by their published md5s.

Cheng et al. (AFN, AAAI 2020) and Zhu et al. (BARS, SIGIR 2022) published results on these files.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from datamodules.base.cache import remembered_digest
from datamodules.base.delimited import Delimited
from datamodules.base.encode import SPLITS
from datamodules.base.errors import DataError
from datamodules.base.fields import Encoding, Part, Source
from datamodules.base.module import CTRDataModule
from datamodules.base.obtain import check_md5, download
from datamodules.base.read import data_root, find_files
from datamodules.base.twins import Cells, Layout

VALIDATION_SHARE = 0.1  # last rows of the train file, for a set without a validation file


class RecZooDataModule(CTRDataModule):
    """A RecZoo data set; the subclass names the hub's repository and what was published about it.

    BARS tunes a set without a validation file on its test file. Here the last tenth of the train file is the validation
    part; `split = "bars"` follows BARS and says so in the title.
    """

    hub: ClassVar[str]  # the repository reczoo/<hub>
    folder_name: ClassVar[str]
    md5: ClassVar[dict[str, str]]  # published, by file name
    rows: ClassVar[dict[str, int]] = {}  # published, by part that has a file
    positives: ClassVar[dict[str, int]] = {}
    table_rows: ClassVar[int | None] = None  # of all tables under `bars`, including OOV rows
    encoding: ClassVar[Encoding] = "bars"
    columns: ClassVar[tuple[str, ...]] = ()  # of the files, in order, if not the label and the fields
    cells: ClassVar[dict[str, Cells]] = {}  # of a synthetic twin, for columns not of their field's kind

    def sources(self) -> list[Path]:
        """Return the csv files from the data folder or the set's subfolder, then the files of frozen vectors."""
        return find_files(
            self.folder_name,
            tuple(self._files()),
            self.data_dir,
            f"Get the data set reczoo/{self.hub} from the Hugging Face hub",
        )

    @classmethod
    def _files(cls) -> dict[str, str | None]:
        """Return the published md5 of each file; None for frozen vectors, whose md5s are not published."""
        return {**cls.md5, **dict.fromkeys(frozen.file for frozen in cls.frozen_fields.values())}

    def tables(self) -> list[Path]:
        """Return the csv files."""
        return self.sources()[: len(self.md5)]

    @classmethod
    def layout(cls) -> Layout:
        """Return the layout of the files in the hub's archive."""
        kinds = {
            cls.label: Cells("label"),
            **{name: Cells("number") for name in cls.dense_fields},
            **{name: Cells("sequence", longest=2 * s.length) for name, s in cls.sequence_fields.items()},
            **cls.cells,
        }
        columns = cls.columns or (cls.label, *cls.dense_fields, *cls.sparse_fields)
        vectors = tuple({frozen.file: None for frozen in cls.frozen_fields.values()})
        return Layout(tuple(cls.md5), {name: kinds.get(name, Cells("id")) for name in columns}, vectors=vectors)

    def read(self) -> Mapping[str, Part]:
        """Return one part per file; without a validation file, the end of the train file or the test file stands in."""
        files = {path.name.partition(".")[0]: Delimited(path) for path in self.tables()}
        parts: dict[str, Part] = {split: Source(file) for split, file in files.items()}
        if "valid" in files:
            return parts
        if self.split == "bars":
            return {**parts, "valid": parts["test"]}
        train = files["train"]
        n_train = train.rows - int(train.rows * VALIDATION_SHARE)
        return {"train": Source(train, 0, n_train), "valid": Source(train, n_train), "test": parts["test"]}

    def full_title(self) -> str:
        """Return the title; marks name files without their published md5 and, if no file is for validation, what is."""
        marks = [f"{', '.join(self.differing)} not as published"] if self.differing else []
        if "valid.csv" not in self.md5:
            marks.append("validated on the test part, as BARS" if self.split == "bars" else "own validation part")
        return f"{self.title} ({'; '.join(marks)})" if marks else self.title

    def check(self, meta: dict[str, Any]) -> None:
        """Raise DataError if published files do not give the published rows, positives and, under `bars`, table rows."""
        if self.differing:
            return
        for fact, published in (("rows", self.rows), ("positives", self.positives)):
            counts = dict(meta[fact])
            if "valid.csv" not in self.md5 and self.split == "own":  # the validation part is the train file's end
                counts["train"] += counts["valid"]
            for file, expected in published.items():
                if counts[file] != expected:
                    raise DataError(
                        f"{self.title}: {fact} of {file}.csv: expected {expected:,}, found {counts[file]:,}"
                    )
        rows = sum(c for c in meta["cardinalities"] if isinstance(c, int))
        if self.encoding == "bars" and self.table_rows not in (None, rows):
            raise DataError(f"{self.title}: rows of all tables: expected {self.table_rows:,}, found {rows:,}")

    def download(self) -> None:
        """Download missing files from the hub into the data folder. Raises DataError if that fails."""
        try:
            self.sources()
        except DataError:
            download(self.hub, self._files(), data_root(self.data_dir) / self.folder_name)

    def verify_sources(self) -> None:
        """Raise DataError, with expected and actual md5, for the first csv file that is not the published one."""
        check_md5(self.tables(), self.md5)

    def verify(self) -> list[str]:
        """Verify as for any set, and raise DataError if a csv file is not the published one."""
        check_md5(self.tables(), self.md5, again=True)
        return [
            *(f"{path}: md5 {md5}, as published" for path, md5 in zip(self.tables(), self.md5.values(), strict=True)),
            *super().verify(),
        ]

    @cached_property
    def differing(self) -> list[str]:
        """The parts whose file does not have its published md5."""
        files = zip(SPLITS if len(self.md5) == 3 else self.md5, self.md5.values(), self.tables(), strict=True)
        return [part.partition(".")[0] for part, md5, path in files if remembered_digest(path, "md5") != md5]
