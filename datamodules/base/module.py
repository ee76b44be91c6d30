"""CTRDataModule: the LightningDataModule that every data set extends with its fields, files and split."""

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import lightning.pytorch as pl
import numpy as np
import polars
import torch

from datamodules.base.batches import Batches
from datamodules.base.cache import cache_root, ensure
from datamodules.base.encode import OOV, Encoder, checked
from datamodules.base.read import file_digest

SPLITS = ("train", "valid", "test")
FORMAT = 1  # of the encoded cache; a change of the encoding rules raises it


class CTRDataModule(pl.LightningDataModule):
    """Encoded once to memory-mapped arrays; then batches of (dense_BN, sparse_BF, label_B).

    A data set subclasses this, names its fields and defines `sources`, `read` and, where it is not the class's own,
    `full_title`.
    """

    title: ClassVar[str]
    licence: ClassVar[str]
    citation: ClassVar[str]
    dense_fields: ClassVar[tuple[str, ...]] = ()
    sparse_fields: ClassVar[tuple[str, ...]] = ()
    min_count: ClassVar[int] = 1  # a value seen fewer times in the train part becomes OOV

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

    def read(self) -> dict[str, polars.DataFrame]:
        """The raw parts train, valid and test, each with a column `label` and the fields."""
        raise NotImplementedError

    def rules(self) -> dict[str, Any]:
        """What, beside the raw bytes, decides the encoded arrays."""
        return {
            "format": FORMAT,
            "dataset": type(self).__name__,
            "dense": self.dense_fields,
            "sparse": self.sparse_fields,
            "min_count": self.min_count,
            "train_rows": self.train_rows,
        }

    def full_title(self) -> str:
        """The title under which results may be reported."""
        return self.title

    def facts(self) -> dict[str, Any]:
        """Further facts for `meta`; `bounds`, by name a dict of metrics on the test part, is drawn in tables and figures."""
        return {}

    @cached_property
    def folder(self) -> Path:
        """The encoded cache of exactly these raw bytes under these rules, made now if need be."""
        content = {"rules": self.rules(), "sources": [file_digest(path) for path in self.sources()]}
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
    def cardinalities(self) -> tuple[int, ...]:
        """Rows of each sparse field's embedding table."""
        return tuple(self.meta["cardinalities"])

    @property
    def fingerprint(self) -> str:
        """Hash of the encoded arrays of all parts: equal for equal data, however they were come by."""
        return self.meta["fingerprint"]

    def prepare_data(self) -> None:
        """Encode the raw data unless that was done before."""
        _ = self.folder

    def train_dataloader(self) -> Batches:
        """The train part, shuffled anew each epoch."""
        return Batches(self.folder / "train", self.batch_size, seed=self.seed, device=self.device)

    def val_dataloader(self) -> Batches:
        """The validation part, in file order."""
        return Batches(self.folder / "valid", self.batch_size, device=self.device)

    def test_dataloader(self) -> Batches:
        """The test part, in file order."""
        return Batches(self.folder / "test", self.batch_size, device=self.device)

    def _encode(self, folder: Path) -> None:
        parts = self.read()
        parts["train"] = parts["train"].head(self.train_rows or len(parts["train"]))
        files = self.sources()
        for i, name in enumerate(SPLITS):
            where = str(files[i]) if len(files) == len(SPLITS) else self.title
            parts[name] = checked(name, parts[name], self.dense_fields, self.sparse_fields, where)
        encoder = Encoder.fit(parts["train"], self.dense_fields, self.sparse_fields, self.min_count)
        content = hashlib.sha256(json.dumps(encoder.cardinalities).encode())
        meta: dict[str, Any] = {
            "title": self.full_title(),
            "dense_columns": encoder.dense_columns,
            "sparse_columns": list(self.sparse_fields),
            "cardinalities": encoder.cardinalities,
            "rows": {},
            "positives": {},
            "oov_cells": {},
            **self.facts(),
        }
        for name in SPLITS:
            arrays = encoder.transform(parts[name])
            (folder / name).mkdir()
            for kind, array in vars(arrays).items():
                np.save(folder / name / f"{kind}.npy", array)
                content.update(array.tobytes())
            meta["rows"][name] = len(arrays.label)
            meta["positives"][name] = int(arrays.label.sum())
            meta["oov_cells"][name] = int((arrays.sparse == OOV).sum())
        meta["fingerprint"] = content.hexdigest()[:16]
        (folder / "vocabulary.json").write_text(json.dumps(encoder.vocabulary, ensure_ascii=False), encoding="utf-8")
        (folder / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")
