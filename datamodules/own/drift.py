"""Drift and repeats: what looks wrong between the encoded parts of a user's data."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from datamodules.base import card
from datamodules.base.arrays import read_blocks
from datamodules.base.module import CTRDataModule

SAME_TEST_ROWS = 0.01  # share of test rows that repeat a train row
UNSEEN = 0.5  # share of a field's test cells that the train part does not have
SHIFT = 0.25  # population stability index from which a distribution counts as another (Siddiqi, Credit Risk Scorecards, 2006)
BINS = 10
DRIFT_ROWS = 200_000  # of each part, read to find drift
FEWEST_ROWS = 200  # of a part about which anything is said


def between_parts(data: CTRDataModule) -> list[str]:
    """Return a line if test rows repeat train rows, and one for each field that is another in the test part.

    Args:
        data: encoded.
    """
    repeats = card.duplicates(data)
    shared, rows = int(repeats["also_in_train"][-1] or 0), data.meta["rows"]["test"]
    lines = []
    if shared > SAME_TEST_ROWS * rows:
        lines.append(f"{shared:,} of {rows:,} test rows have the fields of a train row: memory counts as skill there")
    return lines + list(_drift(data)) if min(data.meta["rows"].values()) >= FEWEST_ROWS else lines


def _drift(data: CTRDataModule) -> Iterator[str]:
    first = {split: _head(data, split, "dense") for split in ("train", "test")}
    for i, name in enumerate(data.meta["dense_columns"]):
        if (shift := stability(first["train"][:, i], first["test"][:, i])) > SHIFT:
            yield f"{name} drifts: population stability index {shift:.2f} from train to test part (0.25 counts as another)"
    for field, unseen in card.fields(data).select("field", "oov_test").iter_rows():
        if unseen > UNSEEN:
            yield f"{field}: {unseen:.0%} of test cells have a value that the train part lacks"


def stability(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the population stability index of two samples over BINS quantiles of the first.

    Args:
        one: (R,) of the first distribution.
        other: (S,) of the second one.
    """
    edges = np.unique(np.quantile(one, np.linspace(0, 1, BINS + 1)[1:-1]))
    shares = [np.bincount(np.searchsorted(edges, x), minlength=len(edges) + 1) / len(x) for x in (one, other)]
    p, q = (np.maximum(share, 1e-4) for share in shares)
    return float(((q - p) * np.log(q / p)).sum())


def _head(data: CTRDataModule, split: str, kind: str) -> NDArray[np.float32]:
    """Return the first rows of an encoded array."""
    blocks, rows = [], 0
    for block in read_blocks(data.folder / split / f"{kind}.npy"):
        blocks.append(block)
        rows += len(block)
        if rows >= DRIFT_ROWS:
            break
    return np.concatenate(blocks)[:DRIFT_ROWS]
