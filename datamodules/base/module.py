"""CTRDataModule: the LightningDataModule that every data set extends with its fields, files and split."""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import lightning.pytorch as pl
import numpy as np
import torch
from numpy.typing import NDArray

from datamodules import cache_root
from datamodules.base.batches import Batches, check_ids
from datamodules.base.cache import ensure, file_digest, remembered_digest
from datamodules.base.encode import encode, fingerprint_of, frozen_file
from datamodules.base.errors import DataError
from datamodules.base.fields import Derived, Encoding, Fields, Frozen, Part, Sequence, sources
from datamodules.base.twins import Layout
from datamodules.base.vectors import Vectors

FORMAT = 2  # of the encoded cache; a change of the encoding rules raises it

# Rows of a table that is trained; a frozen one itself, (rows, W); of a sequence, its length and the field whose table it reads.
Cardinality = int | torch.Tensor | tuple[int, int]


class CTRDataModule(pl.LightningDataModule):
    """Encoded once to memory-mapped arrays; then batches of (dense_BN, sparse_BF, label_B).

    A data set subclasses this, names its fields and defines `sources`, `read` and, where they are not the class's own,
    `full_title` and `check`. With sequence fields, sparse_BF has behind the ids the sequences' ids, padded with -1; with a
    group field, batches have a fourth tensor, group_B int32.
    """

    title: ClassVar[str]
    licence: ClassVar[str]
    citation: ClassVar[str]
    label: ClassVar[str] = "label"
    dense_fields: ClassVar[tuple[str, ...]] = ()
    sparse_fields: ClassVar[tuple[str, ...]] = ()
    sequence_fields: ClassVar[dict[str, Sequence]] = {}
    derived_fields: ClassVar[dict[str, Derived]] = {}
    frozen_fields: ClassVar[dict[str, Frozen]] = {}
    group_field: ClassVar[str | None] = None
    fill: ClassVar[dict[str, str]] = {}  # encoding `bars`: what stands for a missing value, where it is not ""
    min_count: ClassVar[int] = 1  # a value seen fewer times in the train part is rare
    encoding: ClassVar[Encoding] = "clean"
    split: ClassVar[str] = "own"
    splits: ClassVar[tuple[str, ...]] = ("own",)  # that may be asked for

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        batch_size: int = 1024,
        seed: int = 0,
        train_rows: int | None = None,
        device: str | torch.device = "cpu",
    ):
        super().__init__()
        self.data_dir, self.batch_size, self.seed = data_dir, batch_size, seed
        self.train_rows, self.device = train_rows, device

    def sources(self) -> list[Path]:
        """The raw files. Raises DataError saying where they were looked for and how to get them."""
        raise NotImplementedError

    def read(self) -> Mapping[str, Part]:
        """The raw parts train, valid and test, each with the label and the fields as columns."""
        raise NotImplementedError

    @classmethod
    def layout(cls) -> Layout:
        """The layout of the raw files, for a synthetic twin. Raises DataError where none is declared."""
        raise DataError(f"{cls.title}: no synthetic twin is declared")

    def check(self, meta: dict[str, Any]) -> None:
        """Raise DataError where the encoded data are not what was published."""

    def rules(self) -> dict[str, Any]:
        """What, beside the raw bytes, decides the encoded arrays."""
        return {
            "format": FORMAT,
            "dataset": type(self).__name__,
            "label": self.label,
            "dense": self.dense_fields,
            "sparse": self.sparse_fields,
            "sequences": {name: [s.length, s.table, s.column] for name, s in self.sequence_fields.items()},
            "derived": {name: [d.column, d.compute.__name__] for name, d in self.derived_fields.items()},
            "frozen": {name: [f.column, f.file] for name, f in self.frozen_fields.items()},
            "group": self.group_field,
            "fill": self.fill,
            "min_count": self.min_count,
            "encoding": self.encoding,
            "split": self.split,
            "train_rows": self.train_rows,
        }

    def full_title(self) -> str:
        """The title under which results may be reported."""
        return self.title

    def facts(self) -> dict[str, Any]:
        """Further facts for `meta`; `bounds`, by name a dict of metrics on the test part, is drawn in tables and figures."""
        return {}

    def diagnose(self, logit_N: NDArray[np.float32]) -> dict[str, float]:
        """Further metrics of a model's test logits (N,), where the data set knows more than labels."""
        return {}

    def fields(self) -> Fields:
        """The columns and how they are encoded."""
        files = {path.name: path for path in self.sources()} if self.frozen_fields else {}
        return Fields(
            label=self.label,
            dense=self.dense_fields,
            sparse=self.sparse_fields,
            sequences=self.sequence_fields,
            derived=self.derived_fields,
            frozen={name: Vectors(f.column, files[f.file]) for name, f in self.frozen_fields.items()},
            fill=self.fill,
            group=self.group_field,
            encoding=self.encoding,
            min_count=self.min_count,
        )

    @cached_property
    def folder(self) -> Path:
        """The encoded cache of exactly these raw bytes under these rules, made now if need be."""
        content = {"rules": self.rules(), "sources": [remembered_digest(path) for path in self.sources()]}
        key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
        return ensure(cache_root() / f"{type(self).__name__.lower()}-{key}", self._encode)

    @cached_property
    def meta(self) -> dict[str, Any]:
        """Facts about the encoded data: title, fingerprint, columns, cardinalities, rows, positives and OOV cells."""
        return json.loads((self.folder / "meta.json").read_text(encoding="utf-8"))

    @property
    def n_dense(self) -> int:
        """How many dense columns a batch has."""
        return len(self.meta["dense_columns"])

    @property
    def cardinalities(self) -> tuple[Cardinality, ...]:
        """For each sparse field the rows of its table or, mapped into memory, the frozen table; then the sequences."""
        frozen = set(self.meta["frozen_columns"])
        return tuple(
            self._frozen(name) if name in frozen else c if isinstance(c, int) else (c[0], c[1])
            for name, c in zip(self.meta["sparse_columns"], self.meta["cardinalities"], strict=True)
        )

    def rows_of_tables(self) -> list[int]:
        """Rows of the table of each sparse field, frozen ones behind the others."""
        return [c for c in self.meta["cardinalities"] if isinstance(c, int)]

    def _frozen(self, name: str) -> torch.Tensor:
        return torch.from_numpy(np.load(frozen_file(self.folder, name), mmap_mode="c"))

    @property
    def fingerprint(self) -> str:
        """Hash of the encoded arrays of all parts: equal for equal data, however they were come by."""
        return self.meta["fingerprint"]

    def prepare_data(self) -> None:
        """Encode the raw data unless that was done before."""
        _ = self.folder

    def train_dataloader(self) -> Batches:
        """The train part, shuffled anew each epoch."""
        return self._batches("train", seed=self.seed)

    def val_dataloader(self) -> Batches:
        """The validation part, in file order."""
        return self._batches("valid")

    def test_dataloader(self) -> Batches:
        """The test part, in file order."""
        return self._batches("test")

    def _batches(self, split: str, *, seed: int | None = None) -> Batches:
        rows = self.rows_of_tables()
        sequences = [c for c in self.meta["cardinalities"] if not isinstance(c, int)]
        limits = tuple(rows + [rows[field] for length, field in sequences for _ in range(length)])
        check_ids(self.folder / split / "sparse.npy", limits, len(rows))
        return Batches(self.folder / split, self.batch_size, seed=seed, device=self.device)

    def verify(self) -> list[str]:
        """What was found by reading every byte again. Raises DataError for what is not as it was or as published."""
        found = [f"{path}: sha256 {file_digest(path)}" for path in self.sources()]
        fingerprint = fingerprint_of(self.folder, self.meta["cardinalities"])
        if fingerprint != self.fingerprint:
            raise DataError(
                f"{self.folder}: fingerprint expected {self.fingerprint}, found {fingerprint}; remove the folder to have it "
                "made anew"
            )
        return [*found, f"{self.folder}: fingerprint {fingerprint}, as when it was encoded"]

    def _encode(self, folder: Path) -> None:
        parts = {split: sources(part) for split, part in self.read().items()}
        meta = {"title": self.full_title(), **encode(folder, parts, self.fields(), self.title, self.train_rows)}
        if self.train_rows is None:
            self.check(meta)
        meta = {**meta, **self.facts()}
        (folder / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")
