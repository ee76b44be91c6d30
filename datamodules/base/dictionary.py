"""Integer codes for the distinct texts of a column, assigned while it streams."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

MISSING_CODE = -1
MISSING_UNSIGNED = 2**32 - 1  # its bits


class Dictionary:
    """Assigns codes from 0, in no particular order, to distinct texts; memory grows with the distinct texts only.

    Built on polars' named categories, which keep one mapping across batches.
    """

    def __init__(self) -> None:
        self._type = pl.Categorical(pl.Categories.random())
        self._alive = pl.Series([], dtype=self._type)  # polars drops a mapping once nothing refers to it
        self.n_codes = 0

    def codes(self, text: pl.Series) -> NDArray[np.int32]:
        """Return the codes of R texts, (R,); MISSING_CODE for null."""
        categories = text.cast(pl.String).cast(self._type).to_physical()
        code_R = categories.fill_null(MISSING_UNSIGNED).to_numpy().view(np.int32)
        self.n_codes = max(self.n_codes, 1 + int(code_R.max(initial=MISSING_CODE)))
        return code_R

    def values(self) -> pl.Series:
        """Return the texts of all codes, in code order."""
        code = pl.select(pl.int_range(self.n_codes, dtype=pl.UInt32).alias("value")).to_series()
        return code.cat.to(self._type, strict=False).cast(pl.String)


class Counts:
    """Counts how often each code occurs."""

    def __init__(self) -> None:
        self._count = np.zeros(1, np.int64)  # index 0 is MISSING_CODE

    def add(self, code_R: NDArray[np.int32]) -> None:
        """Add the codes of R cells, (R,)."""
        needed = 2 + int(code_R.max(initial=MISSING_CODE))
        if needed > len(self._count):  # grow by at least half, so that copying costs little overall
            self._count = np.append(
                self._count, np.zeros(max(needed, len(self._count) * 3 // 2) - len(self._count), np.int64)
            )
        np.add.at(self._count, code_R + 1, 1)

    def of(self, n_codes: int) -> NDArray[np.int64]:
        """Return the counts of codes 0 to n_codes - 1, (n_codes,)."""
        seen = self._count[1 : 1 + n_codes]
        return np.append(seen, np.zeros(n_codes - len(seen), np.int64))
