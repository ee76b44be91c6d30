"""What looks wrong in a user's data: leaks and useless columns in a sample, repeats and drift between the encoded parts."""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from datamodules.base import card
from datamodules.base.arrays import read_blocks
from datamodules.base.module import CTRDataModule
from datamodules.files.draft import Draft
from datamodules.files.kinds import Guess
from datamodules.files.prepare import TRUTH

LEAK = 0.98  # AUC of a single field from which it may know the label
SAME_TEST_ROWS = 0.01  # share of test rows that repeat a train row
UNSEEN = 0.5  # share of a field's test cells that the train part does not have
SHIFT = 0.25  # population stability index from which a distribution counts as another (Siddiqi, Credit Risk Scorecards, 2006)
BINS = 10
DRIFT_ROWS = 200_000  # of each part, read to find drift
FEWEST_ROWS = 200  # of a sample or part about which anything is said


def of_sample(draft: Draft) -> list[str]:
    """Return a line for each field that predicts the label alone, and for columns that tell nothing.

    Args:
        draft: of the data set.
    """
    label = draft.sample[draft.declared.declaration.label]
    known = label.replace(TRUTH) if label.dtype == pl.String else label
    label_R = known.cast(pl.Float64, strict=False).to_numpy()
    lines = []
    for guess in draft.guesses:
        if guess.column.kind in ("dense", "sparse", "values") and len(label_R) >= FEWEST_ROWS:
            area = alone(draft.sample[guess.name], guess, label_R)
            if area > LEAK:
                lines.append(f"{guess.name} predicts the label alone (AUC {area:.3f} in a sample): a leak?")
    unique = [guess.name for guess in draft.guesses if guess.useless == "unique"]
    constant = [guess.name for guess in draft.guesses if guess.useless == "constant"]
    if unique:
        lines.append(f"left out, as each row has another value: {', '.join(unique)}")
    if constant:
        lines.append(f"left out, as all rows are alike: {', '.join(constant)}")
    return lines


def alone(cells: pl.Series, guess: Guess, label_R: NDArray[np.float64]) -> float:
    """Return the AUC (0.5 to 1) with which a field alone predicts the label.

    Numbers are ranked as they are, either way round. Other values get the label's mean over one half of the rows, and are
    scored on the other half, so that an id which occurs once predicts nothing.

    Args:
        cells: (R,) of the field.
        guess: what it is taken for.
        label_R: (R,), nan where it is neither 0 nor 1.
    """
    if guess.column.kind == "dense":
        score_R = cells.cast(pl.Float64, strict=False).fill_nan(None).to_numpy()
        missing = np.isnan(score_R)
        area = _auc(np.where(missing, np.nanmedian(score_R), score_R), label_R) if not missing.all() else 0.5
        return max(area, 1 - area, _by_means(pl.Series(missing).cast(pl.String), label_R))
    texts = cells.list.join("|") if isinstance(cells.dtype, pl.List) else cells
    return _by_means(texts.cast(pl.String), label_R)


def _by_means(text: pl.Series, label_R: NDArray[np.float64]) -> float:
    frame = pl.DataFrame({"value": text.fill_null(""), "label": label_R})
    fitted, scored = frame.gather_every(2), frame.gather_every(2, 1)
    means = fitted.group_by("value").agg(pl.col("label").mean().alias("mean"))
    joined = scored.join(means, on="value", how="left", maintain_order="left")
    return _auc(joined["mean"].fill_null(float(np.nanmean(label_R))).to_numpy(), joined["label"].to_numpy())


def _auc(score_R: NDArray[np.float64], label_R: NDArray[np.float64]) -> float:
    positive = label_R == 1
    n_pos, n_neg = int(positive.sum()), int((label_R == 0).sum())
    if not n_pos or not n_neg:
        return 0.5
    rank_R = pl.Series(score_R).rank("average").to_numpy()
    return float((rank_R[positive].sum() - n_pos * (n_pos + 1) / 2) / (n_pos * n_neg))


def of_encoded(data: CTRDataModule) -> list[str]:
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
