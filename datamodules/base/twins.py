"""Synthetic twins: made-up files in exactly the layout of a set, for tests and timings where the set is not available.

Files, columns, separators, header, missing cells and the kinds of values match the set; nothing else does. The values of a
field follow a power law, so some are frequent, some rare and some occur in one file only.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from datamodules.base.vectors import write_vectors

TEST_SHARE = 0.2  # rows of each further file, as a share of the first file's
ROWS_AT_A_TIME = 250_000
KEYS, VECTOR_WIDTH = 900, 64
POWER = 3  # value number = distinct * u^POWER for uniform u


@dataclass(frozen=True)
class Cells:
    """How the cells of a column are drawn."""

    kind: Literal["label", "index", "count", "number", "id", "hex", "hour", "sequence"]
    distinct: int = 1000
    missing: float = 0.0  # share of empty cells
    longest: int = 0  # values, of a sequence


@dataclass(frozen=True)
class Layout:
    """The files of a set, train file first, and their columns in order."""

    files: tuple[str, ...]
    columns: dict[str, Cells]
    separator: str = ","
    header: bool = True
    vectors: tuple[str, ...] = ()  # HDF5 files with VECTOR_WIDTH numbers for each of the first KEYS ids


def write(layout: Layout, folder: Path, rows: int, seed: int = 0) -> list[Path]:
    """Write the files of a twin and return their paths, vectors last.

    Args:
        layout: The files and columns of the set.
        folder: Where the files go; created if missing.
        rows: Rows of the first file.
        seed: Seed of the made-up values.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in layout.files]
    for i, path in enumerate(paths):
        left = rows if i == 0 else max(20, int(rows * TEST_SHARE))
        draw = np.random.default_rng([seed, i])
        with path.open("wb") as file:
            header = layout.header
            while left:
                n = min(left, ROWS_AT_A_TIME)
                names = enumerate(layout.columns.items())
                frame = pl.DataFrame({name: _column(cells, n, draw, salt) for salt, (name, cells) in names})
                frame.write_csv(file, separator=layout.separator, include_header=header)
                left, header = left - n, False
    for path in (vectors := [folder / name for name in layout.vectors]):
        draw = np.random.default_rng([seed, len(layout.files)])
        write_vectors(path, np.arange(KEYS), draw.normal(size=(KEYS, VECTOR_WIDTH)))
    return [*paths, *vectors]


def _column(cells: Cells, rows: int, draw: np.random.Generator, salt: int) -> pl.Series:
    number = (cells.distinct * draw.random(rows) ** POWER).astype(np.int64)
    match cells.kind:
        case "label":
            values = pl.Series((draw.random(rows) < 0.25).astype(np.int8))
        case "index":
            values = pl.Series(draw.integers(10**18, 10**19, rows, dtype=np.uint64))
        case "count":
            values = pl.Series(np.exp(draw.normal(1.5, 2, rows)).astype(np.int64) - 2)
        case "number":
            values = pl.Series(draw.random(rows).round(6))
        case "id":
            values = pl.Series(number)
        case "hex":
            distinct, index = np.unique(number, return_inverse=True)
            texts = [f"{(k * 2_654_435_761 + 977 * salt) % 2**32:08x}" for k in distinct.tolist()]
            values = pl.Series(texts).gather(index)
        case "hour":
            values = pl.Series([f"1410{21 + k // 24 % 10:02d}{k % 24:02d}" for k in number.tolist()])
        case "sequence":
            lengths = draw.integers(0, cells.longest + 1, rows)
            values = pl.Series(
                ["^".join(map(str, (cells.distinct * draw.random(k) ** POWER).astype(int))) for k in lengths]
            )
    missing = pl.Series(draw.random(rows) < cells.missing)
    return values if not cells.missing else pl.select(pl.when(~missing).then(values)).to_series()
