"""The data module of a user's files."""

import json
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from datamodules.base.errors import DataError
from datamodules.base.fields import Part
from datamodules.base.module import CTRDataModule
from datamodules.own import drift, prepare, split
from datamodules.own.declaration import Declaration
from datamodules.own.paths import Files
from datamodules.own.scan import Table


@dataclass(frozen=True)
class Declared:
    """A user's data set: its name, what is declared of it, and where its files are, which no record says."""

    name: str
    declaration: Declaration
    files: Files
    warnings: tuple[str, ...] = ()  # of a sample of the rows

    def table(self, part: str = "") -> Table:
        """Return the table of a part, or of all rows where the parts are yet to be made."""
        return Table(self.files[part], self.declaration.separator)


class FileDataModule(CTRDataModule):
    """Rows of a user's files, read as declared."""

    declared: ClassVar[Declared]

    def sources(self) -> list[Path]:
        """Return the user's files. Raises DataError if one is gone."""
        paths = [path for of_part in self.declared.files.values() for path in of_part]
        for path in paths:
            if not path.is_file():
                raise DataError(f"{path}: no such file")
        return paths

    def rules(self) -> dict[str, Any]:
        """Return everything that determines the encoded arrays besides the raw bytes."""
        return super().rules() | {"declaration": self.declared.declaration.model_dump(mode="json", exclude={"files"})}

    def read(self) -> Mapping[str, Part]:
        """Return the parts as declared: as given, by time, or at random."""
        declaration = self.declared.declaration
        if "" in self.declared.files:
            raw = split.parts(self.declared.table().frame, declaration)
        else:
            raw = {part: self.declared.table(part).frame for part in self.declared.files}
        return {part: prepare.prepared(frame, declaration) for part, frame in raw.items()}

    @property
    def about(self) -> dict[str, Any]:
        """`meta` with what is declared of the data, so that a results folder says how they were read."""
        warnings = [*self.declared.warnings, *self.meta["warnings"]]
        declaration = self.declared.declaration.model_dump(mode="json", exclude={"files"})
        return super().about | {"declaration": declaration, "warnings": warnings}

    def _encode(self, folder: Path) -> None:
        super()._encode(folder)
        made = copy(self)
        made.folder = folder  # which gets its name when it is complete
        meta = made.meta | {"warnings": drift.between_parts(made)}
        (folder / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")

    def prepare(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Return new rows of the user's raw columns as fields."""
        return prepare.prepared(frame, self.declared.declaration, labelled=False)


def module_class(declared: Declared) -> type[FileDataModule]:
    """Return the data module of a user's data set.

    Args:
        declared: name, declaration and files.
    """
    declaration = declared.declaration
    fields = {
        "declared": declared,
        "title": declaration.title,
        "licence": declaration.licence or "not given",
        "citation": declaration.citation or "not given",
        "label": declaration.label,
        "dense_fields": tuple(declaration.of("dense")),
        "sparse_fields": prepare.sparse_fields(declaration),
        "sequence_fields": prepare.sequence_fields(declaration),
        "group_field": declaration.group,
        "weight_field": declaration.weight,
        "user_fields": declaration.user_fields,
        "item_fields": declaration.item_fields,
        "min_count": declaration.min_count,
        "__doc__": f"{declaration.title}: a user's files.",
    }
    return type(declared.name, (FileDataModule,), fields)
