"""Results from papers and leaderboards, and how far they are comparable with ours."""

from dataclasses import dataclass
from functools import cache

import polars as pl

from benchmark.published.tables import FOLDER

PAPER, BARS = "Wukong paper", "BARS"
REASONS = {
    PAPER: "each model at its own compute; no seeds or intervals; more hyperparameters tuned for Wukong than for the others",
    BARS: "each model at its own compute; mostly one seed; where validation and test AUC pick different runs of a "
    "grid, mostly the one picked by test AUC; grids of different lengths",
}


@dataclass(frozen=True)
class Fact:
    """A published result on a public data set."""

    model: str  # title in this suite
    auc: float
    logloss: float
    training_flops: float | None  # per example
    parameters: int
    origin: str
    source: str
    note: str


@cache
def facts(dataset_title: str) -> tuple[Fact, ...]:
    """Return the results published on the data set of that title, of which the part in parentheses is ignored.

    'Frappe_x1 (train negatives re-drawn)' is looked up as frappe_x1. 'Frappe_x1 without cost' is a different data set, on
    which nothing was published.
    """
    key = dataset_title.partition(" (")[0].lower().replace(" ", "_")
    paper = pl.read_csv(FOLDER / "wukong_paper_public.csv").filter(pl.col("dataset") == key)
    bars = pl.read_csv(FOLDER / "bars_leaderboard.csv").filter(pl.col("dataset") == key)
    return tuple(
        [
            Fact(
                row["model"],
                row["auc"],
                row["logloss"],
                row["mflop_per_example_training"] * 1e6,
                row["params_total"],
                PAPER,
                row["source"],
                row["note"] or "",
            )
            for row in paper.iter_rows(named=True)
        ]
        + [
            Fact(
                row["model"],
                row["auc"],
                row["logloss"],
                None,
                row["params_total"],
                BARS,
                row["source"],
                f"best of {row['trials']} logged runs" if row["trials"] else "",
            )
            for row in bars.iter_rows(named=True)
        ]
    )


def comparability(dataset_title: str, origin: str) -> str:
    """Return why a published number is not directly comparable with ours; a changed data set comes first."""
    _, _, change = dataset_title.partition(" (")
    changed = f"ours is another data set ({change}; " if change else ""
    return changed + REASONS[origin]
