"""Numbers for the distinct texts of a column, given while it streams by."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

MISSING_CODE = -1


class Dictionary:
    """Codes from 0 on for the distinct texts seen so far, in no stated order; the memory it needs is theirs alone.

    It rests on polars' named categories, which keep one mapping for all batches.
    """

    def __init__(self) -> None:
        self._categories = pl.Categories.random()
        self.dtype = pl.Categorical(self._categories)
        self._alive = pl.Series([], dtype=self.dtype)  # polars forgets a mapping that nothing refers to

    def codes(self, text: pl.Expr) -> pl.Expr:
        """Int32 codes of a text column, MISSING_CODE where it is null."""
        return text.cast(self.dtype).to_physical().cast(pl.Int32).fill_null(MISSING_CODE)

    def values(self, n_codes: int) -> pl.Series:
        """The texts of codes 0 to n_codes - 1."""
        code = pl.select(pl.int_range(n_codes, dtype=pl.UInt32).alias("value")).to_series()
        return code.cat.to(self.dtype, strict=False).cast(pl.String)


class Counts:
    """How often each code was seen."""

    def __init__(self) -> None:
        self._count = np.zeros(1, np.int64)  # place 0 is MISSING_CODE
        self.n_codes = 0

    def add(self, code_R: NDArray[np.int32], *, weight: int = 1) -> None:
        """Count the codes of R cells `weight` times."""
        new = np.bincount(code_R + 1, minlength=len(self._count))
        self.n_codes = len(new) - 1
        new *= weight
        new[: len(self._count)] += self._count
        self._count = new

    def of(self, n_codes: int) -> NDArray[np.int64]:
        """Counts of codes 0 to n_codes - 1."""
        count = np.zeros(n_codes, np.int64)
        count[: self.n_codes] = self._count[1:]
        return count
