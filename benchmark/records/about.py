"""What a results folder says about its data sets and models, so that reports need no code of either.

`datasets/<dataset>.json` and `models/<model>.json`; further facts in the files are left alone.
"""

from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, FiniteFloat, NonNegativeInt

import models
from benchmark.records import files


class Bound(BaseModel):
    """A reference score on the test part, such as that of the true probabilities."""

    model_config = ConfigDict(frozen=True)

    auc: FiniteFloat
    logloss: FiniteFloat


class _Facts(BaseModel):
    """Facts in a JSON file."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the facts in a file. Raises RecordError if it cannot be read or has a fact of another kind."""
        return files.read_as(cls, path)


class AboutModel(_Facts):
    """Facts about a model or variant."""

    title: str = ""
    summary: str = ""  # what it is, in one line
    held: dict[str, Any] = {}  # fields and training aids that a variant fixes

    @classmethod
    def of(cls, name: str) -> Self:
        """Return the facts about a model or variant that is installed here."""
        variant = models.variants(name.partition(".")[0]).get(name)
        held = variant.fields | variant.aids if variant else {}
        return cls(title=models.title(name), summary=models.summary(name), held=held)


class About(_Facts):
    """Facts about a data set."""

    title: str = ""
    licence: str = ""
    citation: str = ""
    rows: dict[str, NonNegativeInt] = {}  # by part
    bounds: dict[str, Bound] = {}
    dense_columns: list[str] | None = None
    sparse_columns: list[str] | None = None
    warnings: list[str] = []  # of a user's files: leaks, drift
    weight_column: str | None = None  # weighs rows in the loss and in all metrics
