"""CTRDataModule: the LightningDataModule that every data set extends with its fields, files and split."""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import lightning.pytorch as pl
import numpy as np
import polars
import torch
from numpy.typing import NDArray
from torch import distributed

from datamodules._paths import cache_root
from datamodules.base.batches import ROWS_TO_NORMALISE, Batches, check_ids, damage_of
from datamodules.base.cache import ensure, file_digest, remembered_digest
from datamodules.base.encode import SPLITS, encode, frozen_file
from datamodules.base.errors import DataError
from datamodules.base.fields import Derived, Encoding, Fields, Frozen, Part, Sequence, sources
from datamodules.base.twins import Layout
from datamodules.base.vectors import Vectors
from datamodules.base.verify import verify

FORMAT = 3  # of the encoded cache; raise it when the encoding changes


class CTRDataModule(pl.LightningDataModule):
    """Encodes a data set once to memory-mapped arrays and yields batches of (dense_BN, sparse_BF, label_B).

    A data set subclasses this and defines its fields, `sources`, `read` and, where needed, `full_title` and `check`. Ids of
    sequences follow those of sparse fields, padded with -1. A group field adds group_B, int32, and a weight field weight_B,
    float32, the weights over their mean in the train part.

    Args:
        data_dir: Folder of the raw data; None uses $WUKONG_BENCH_DATA or data.
        batch_size: Rows per batch.
        seed: Of the shuffle of the train part.
        train_rows: Use only the first rows of the train part; None uses all.
        device: Holds each part's arrays if they fit.
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
    weight_field: ClassVar[str | None] = None  # finite numbers from 0 that weigh rows in the loss and in all metrics
    user_fields: ClassVar[tuple[str, ...]] = ()  # dense and sparse, for models that ask
    item_fields: ClassVar[tuple[str, ...]] = ()
    recipe: ClassVar[str] = "criteo_x1"  # whose published recipes are tried in slot 1, see models.recipe
    fill: ClassVar[dict[str, str]] = {}  # `bars`: the value that replaces a missing one, if not ""
    min_count: ClassVar[int] = 1  # values seen fewer times in the train part are rare
    encoding: ClassVar[Encoding] = "clean"
    split: ClassVar[str] = "own"
    splits: ClassVar[tuple[str, ...]] = ("own",)  # that are offered
    # of the train part: the first rows, which alone are the set's if its name says so, and how many a name may ask for
    first_rows: ClassVar[int | None] = None  # all
    most_rows: ClassVar[int | None] = None  # those of the files; a generated set has more

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
        self.share = 1.0  # of the train part's rows, the first ones, that batches are drawn from
        self.on_batch: Callable[[], None] = lambda: None  # called before each batch of any part

    def sources(self) -> list[Path]:
        """Return the raw files. Raises DataError saying where it looked and how to get them."""
        raise NotImplementedError

    def read(self) -> Mapping[str, Part]:
        """Return the raw train, valid and test parts, with the label and the fields as columns."""
        raise NotImplementedError

    def prepare(self, frame: polars.LazyFrame) -> polars.LazyFrame:
        """Return raw rows of a user's file with the fields as columns, each row by itself; here they are columns already."""
        return frame

    @classmethod
    def layout(cls) -> Layout:
        """Return the layout of the raw files, for a synthetic twin. Raises DataError if none is declared."""
        raise DataError(f"{cls.title}: no synthetic twin is declared")

    def check(self, meta: dict[str, Any]) -> None:
        """Raise DataError if the facts `meta` of the encoded data differ from what was published."""

    def rules(self) -> dict[str, Any]:
        """Return everything that determines the encoded arrays besides the raw bytes."""
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
            **{key: value for key, value in (("first_rows", self.first_rows), ("weight", self.weight_field)) if value},
        }

    @property
    def most_train_rows(self) -> int | None:
        """The first rows of the train part that are used, by the set's name and by `train_rows`; None: all."""
        return min((rows for rows in (self.first_rows, self.train_rows) if rows), default=None)

    def full_title(self) -> str:
        """Return the title under which results may be reported."""
        return self.title

    def facts(self) -> dict[str, Any]:
        """Return further facts for `meta`; `bounds` (name -> metrics on the test part) appears in tables and figures."""
        return {}

    def diagnose(self, logit_N: NDArray[np.float32]) -> dict[str, float]:
        """Return further metrics of a model's test logits (N,), if the data set knows more than labels."""
        return {}

    def fields(self) -> Fields:
        """Return the columns and how they are encoded."""
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
            weight=self.weight_field,
            encoding=self.encoding,
            min_count=self.min_count,
        )

    @cached_property
    def folder(self) -> Path:
        """The encoded cache of these raw bytes under these rules, built on first use."""
        content = {"rules": self.rules(), "sources": [remembered_digest(path) for path in self.sources()]}
        key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
        return ensure(cache_root() / f"{type(self).__name__.lower()}-{key}", self._encode)

    @cached_property
    def meta(self) -> dict[str, Any]:
        """The facts about the encoded data: title, fingerprint, columns, cardinalities, rows, positives and OOV cells."""
        with damage_of(self.folder):
            meta = json.loads((self.folder / "meta.json").read_text(encoding="utf-8"))
            if not isinstance(meta, dict) or not {"fingerprint", "cardinalities", "digests"} <= meta.keys():
                raise ValueError("meta.json is incomplete")
        return meta

    @property
    def about(self) -> dict[str, Any]:
        """`meta` with what the class says of the data: licence, citation, fields of user and item, whose recipes it takes."""
        declared = ("licence", "citation", "user_fields", "item_fields", "recipe")
        return self.meta | {name: getattr(self, name) for name in declared}

    @property
    def n_dense(self) -> int:
        """Number of dense columns in a batch."""
        return len(self.meta["dense_columns"])

    @property
    def cardinalities(self) -> tuple[int | torch.Tensor | tuple[int, int], ...]:
        """For each sparse field the rows of its table or its frozen table (rows, W); for each sequence length and field."""
        frozen = set(self.meta["frozen_columns"])
        return tuple(
            self._frozen(name) if name in frozen else c if isinstance(c, int) else (c[0], c[1])
            for name, c in zip(self.meta["sparse_columns"], self.meta["cardinalities"], strict=True)
        )

    def rows_of_tables(self) -> list[int]:
        """Return the table rows of each sparse field, frozen fields last."""
        return [c for c in self.meta["cardinalities"] if isinstance(c, int)]

    def _frozen(self, name: str) -> torch.Tensor:
        with damage_of(self.folder):
            return torch.from_numpy(np.load(frozen_file(self.folder, name), mmap_mode="c"))

    @property
    def fingerprint(self) -> str:
        """Hash of the encoded arrays of all parts: equal for equal data, regardless of where the files came from."""
        return self.meta["fingerprint"]

    def prepare_data(self) -> None:
        """Encode the raw data unless they are in the cache."""
        _ = self.folder

    def train_dataloader(self) -> Batches:
        """Return the train part, reshuffled each epoch; no batch has fewer than two rows on each device."""
        n_devices = distributed.get_world_size() if distributed.is_initialized() else 1
        first = max(1, round(self.share * self.meta["rows"]["train"]))
        return self._batches("train", seed=self.seed, first=first, least=ROWS_TO_NORMALISE * n_devices)

    def val_dataloader(self) -> Batches:
        """Return the validation part, in file order."""
        return self._batches("valid")

    def test_dataloader(self) -> Batches:
        """Return the test part, in file order."""
        return self._batches("test")

    predict_dataloader = test_dataloader  # of Lightning's Trainer.predict

    def _batches(self, split: str, *, seed: int | None = None, least: int = 1, first: int | None = None) -> Batches:
        rows = self.rows_of_tables()
        sequences = [c for c in self.meta["cardinalities"] if not isinstance(c, int)]
        limits = tuple(rows + [rows[field] for length, field in sequences for _ in range(length)])
        check_ids(self.folder / split / "sparse.npy", limits, len(rows))
        folder, size = self.folder / split, self.batch_size
        return Batches(folder, size, seed=seed, device=self.device, least=least, rows=first, on_batch=self.on_batch)

    def verify(self) -> list[str]:
        """Read every byte again; return a line for each raw file and one for the arrays. Raises DataError if these differ."""
        return [*(f"{path}: sha256 {file_digest(path)}" for path in self.sources()), verify(self.folder, self.meta)]

    def _encode(self, folder: Path) -> None:
        parts = {split: sources(part) for split, part in self.read().items()}
        meta = {"title": self.full_title(), **encode(folder, parts, self.fields(), self.title, self.most_train_rows)}
        if self.most_train_rows is None:
            self.check(meta)
        if self.first_rows:
            meta["title"] += f", {self.first_rows:,} train rows"
            if (rows := meta["rows"]["train"]) < (self.most_train_rows or 0):
                raise DataError(f"{self.title}: the name asks for {self.first_rows:,} train rows; there are {rows:,}")
        others = ["vocabulary.parquet", *(f"{split}/group.npy" for split in SPLITS if self.group_field)]
        meta = {**meta, **self.facts(), "digests": {name: file_digest(folder / name) for name in others}}
        (folder / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")
