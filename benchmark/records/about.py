"""What a results folder says about a data set: the content of `datasets/<dataset>.json` that reports use."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, FiniteFloat, NonNegativeInt, ValidationError

from benchmark.errors import RecordError
from benchmark.records.files import MENDED, first_problem


class Bound(BaseModel):
    """A reference score on the test part, such as that of the true probabilities."""

    model_config = ConfigDict(frozen=True)

    auc: FiniteFloat
    logloss: FiniteFloat


class About(BaseModel):
    """Facts about a data set; further ones in the file are left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    title: str = ""
    licence: str = ""
    citation: str = ""
    rows: dict[str, NonNegativeInt] = {}  # by part
    bounds: dict[str, Bound] = {}
    dense_columns: list[str] | None = None
    sparse_columns: list[str] | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the facts in a file. Raises RecordError if it cannot be read or has a fact of another kind."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            reason = str(error)
        except ValidationError as error:
            reason = first_problem(error)
        raise RecordError(f"{path}: damaged ({reason}); {MENDED}")
