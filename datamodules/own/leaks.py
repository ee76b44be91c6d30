"""Leaks and useless columns: what looks wrong in a sample of a user's data."""

from collections.abc import Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from datamodules.own.kinds import Guess
from datamodules.own.prepare import label

LEAK = 0.98  # AUC of a single field from which it may know the label
FEWEST_ROWS = 200  # of a sample about which anything is said


def in_sample(sample: pl.DataFrame, guesses: Iterable[Guess], label_name: str) -> list[str]:
    """Return a line for each field that predicts the label alone, and for columns that tell nothing.

    Args:
        sample: rows of the data set.
        guesses: what its columns are taken for.
        label_name: column of the label.
    """
    guesses, known = list(guesses), label(label_name, sample.schema[label_name])
    label_R = sample.select(known.cast(pl.Float64, strict=False)).to_series().to_numpy()
    lines: list[str] = []
    if np.isnan(label_R).all():
        return lines  # whoever reads the rows refuses the first
    for guess in guesses:
        if guess.column.kind in ("dense", "sparse", "values") and len(label_R) >= FEWEST_ROWS:
            area = alone(sample[guess.name], guess, label_R)
            if area > LEAK:
                lines.append(f"{guess.name} predicts the label alone (AUC {area:.3f} in a sample), which may be a leak")
    unique = [guess.name for guess in guesses if guess.useless == "unique"]
    constant = [guess.name for guess in guesses if guess.useless == "constant"]
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
