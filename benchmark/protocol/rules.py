"""The class `Protocol` and what makes results of two protocols comparable."""

import hashlib
import json
import re
from itertools import pairwise, product
from typing import Annotated, Any, Self

import tomli_w
from pydantic import Field, field_validator, model_validator

import datamodules
import models
from benchmark.protocol.numbers import TOLERANCE, Budget, Count, Total, Width
from benchmark.protocol.sections import Distinct, Final, Search, Section, Training, Unique
from benchmark.protocol.totals import Split, splits

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# results folders of one protocol may differ in these, in `rows` and in the number of blocks
LISTS = ("datasets", "models", "budgets", "totals")
LATER = {  # keys that 0.1 did not have
    "search": ("normalisation", "embedding_std", "train_share", "pruner", "prune_from", "prune_after", "prune_keep"),
    "training": ("batch_rows",),
}
SMOKE_ROWS = 4096
LONGEST_TITLE = 200  # characters


class Protocol(Section):
    """A whole comparison."""

    name: str
    title: Annotated[str, Field(max_length=LONGEST_TITLE)] = ""
    datasets: Annotated[tuple[str, ...], Distinct]
    models: Annotated[tuple[str, ...], Distinct]
    budgets: Annotated[tuple[Budget, ...], Distinct]  # training MFLOP per example
    # training GFLOP of one run, each split between rows and budget, see splits
    totals: Annotated[tuple[Total, ...], Unique] = ()
    rows: tuple[Count, Count] | None = None  # fewest and most train rows of a split; with totals only
    embedding_dim: Width
    training: Training = Training()
    search: Search = Search()
    final: Final = Final()
    overrides: tuple[str, ...] = ()  # changes made on the command line

    @field_validator("name")
    @classmethod
    def _safe_name(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError(
                f"invalid name {value!r}; use 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit"
            )
        return value

    @field_validator("datasets", "models")
    @classmethod
    def _safe_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            cls._safe_name(name)
        return names

    def check_known(self) -> None:
        """Raise UnknownDataset or UnknownModel for a name that is not installed; reading results needs neither."""
        for name in self.datasets:
            datamodules.title(name)
        for name in self.models:
            models.title(name)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        ordered = sorted(self.budgets)
        for low, high in pairwise(ordered):
            if high / low <= (1 + TOLERANCE) / (1 - TOLERANCE) or f"{low:g}" == f"{high:g}":
                raise ValueError(
                    f"budgets {low!r} and {high!r} are too close to tell apart: a model meets each within {TOLERANCE:.0%}; "
                    "give budgets that differ by more than 5 %"
                )
        if self.training.batch_size == 1 and "batch" in self.search.normalisation:
            raise ValueError(
                "training.batch_size is 1 and search.normalisation has 'batch': a single row cannot be normalised over its "
                "batch; use a batch_size from 2 on, or normalisation = ['none']"
            )
        return self

    @model_validator(mode="after")
    def _epochs_to_prune(self) -> Self:
        epochs, search = self.training.epochs, self.search
        if search.pruner != "none" and epochs == 1:
            raise ValueError(f"search.pruner {search.pruner!r} needs at least 2 training.epochs; there is 1")
        if search.prune_from is not None and search.prune_from >= epochs:
            raise ValueError(
                f"search.prune_from {search.prune_from} leaves nothing to prune in {epochs} epochs; use at most {epochs - 1}"
            )
        return self

    @property
    def first_pruning(self) -> int:
        """Return the first epoch after which a trial may be pruned."""
        return self.search.prune_from or -(-self.training.epochs // 2)

    @model_validator(mode="after")
    def _splittable(self) -> Self:
        if not self.totals:
            if self.rows is not None:
                raise ValueError("rows limits the splits of totals, and there are no totals; give both or neither")
            return self
        if self.rows is None:
            raise ValueError("totals need rows = [fewest, most], the limits of a split's train rows")
        if self.training.epochs > 1 or self.training.train_rows is not None:
            raise ValueError("totals are rows x budget in one pass; leave out training.train_rows and training.epochs")
        for total in self.totals:
            if not any(split.total == total for split in self.splits):
                raise ValueError(
                    f"no budget splits the total of {total:g} GFLOP into {self.rows[0]:,} to {self.rows[1]:,} rows"
                )
        return self

    @property
    def splits(self) -> list[Split]:
        """Return all splits of the totals that have allowed rows; none without totals."""
        return splits(self.datasets, self.totals, self.budgets, self.rows) if self.rows else []

    @property
    def pairs(self) -> list[tuple[str, float]]:
        """Return the data set and budget of every study, the most expensive budget first: all pairs, or those of the splits."""
        pairs = (
            [(split.dataset, split.budget) for split in self.splits]
            if self.totals
            else product(self.datasets, self.budgets)
        )
        return sorted(pairs, key=lambda pair: -pair[1])

    def toml(self) -> str:
        """Return the resolved protocol as TOML that `load` reads back."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    def identity(self) -> str:
        """Return the hash of `compared`; results share a table only if it is equal."""
        return digest(self.compared())

    def compared(self) -> dict[str, Any]:
        """Return what must be equal for results to share a table: all but name, title, overrides, LISTS, rows and the blocks.

        Keys that a later version added count only where they differ from their default, so that earlier results keep their
        identity.
        """
        fixed = self.model_dump(mode="json", exclude={"name", "title", "overrides", "rows", *LISTS})
        del fixed["search"]["blocks"]
        for name, keys in LATER.items():
            section = getattr(self, name)
            for key in keys:
                if getattr(section, key) == type(section).model_fields[key].default:
                    del fixed[name][key]
        return fixed

    def smoke(self) -> Self:
        """Return the smallest version that still exercises every step; its results say nothing about the models."""
        fewest: dict[str, Any] = {"blocks": min(self.search.blocks, 2), "trials": 1, "finalists": 1}
        unpruned = {key: Search.model_fields[key].default for key in LATER["search"] if key.startswith("prune")}
        budgets = tuple(sorted(self.budgets)[:3])
        short: dict[str, Any] = {"epochs": 1, "patience": 1, "train_rows": SMOKE_ROWS}
        few: dict[str, Any] = {}
        if self.totals:  # the two smallest budgets on SMOKE_ROWS rows, and the same compute on fewer
            short = {}
            few = {
                "totals": tuple(SMOKE_ROWS * budget / 1e3 for budget in budgets[:2]),
                "rows": (SMOKE_ROWS // 8, SMOKE_ROWS),
            }
        return self.model_copy(
            update={
                "name": f"{self.name}-smoke",
                "title": f"Smoke test of {self.name}; it says nothing about the models",
                "budgets": budgets,
                **few,
                "training": self.training.model_copy(update=short),
                "search": self.search.model_copy(update=fewest | unpruned),
                "final": Final(seeds=self.final.seeds[:1]),
            }
        )

    def doubled(self) -> Self:
        """Return the protocol with twice the epochs, for the doubling check."""
        epochs = {name: 2 * getattr(self.training, name) for name in ("epochs", "patience")}
        return self.model_copy(update={"training": self.training.model_copy(update=epochs)})


def digest(value: object) -> str:
    """Return the hash of a value's canonical JSON, 12 hexadecimal digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
