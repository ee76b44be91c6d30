"""Facts from papers and leaderboards, and why they are or are not comparable with ours."""

from dataclasses import dataclass
from functools import cache

import polars as pl

from benchmark.published.tables import FOLDER

PAPER, BARS = "Wukong paper", "BARS"
REASONS = {
    PAPER: "each model at its own compute; no seeds or intervals; Wukong was tuned in more respects than the others",
    BARS: "each model at its own compute; mostly one seed; the grid's best by test AUC in most grids where validation "
    "chose another; grids of unequal length",
}


@dataclass(frozen=True)
class Fact:
    """A published result on a public data set."""

    model: str  # its title in this suite
    auc: float
    logloss: float
    training_flops: float | None  # per example
    parameters: int
    origin: str
    source: str
    note: str


@cache
def facts(dataset_title: str) -> tuple[Fact, ...]:
    """What was published on the data set of that title: 'Frappe_x1 (train negatives re-drawn)' is looked up as frappe_x1.

    'Frappe_x1 without cost' is a data set of its own, on which nothing was.
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
    """Why a published number cannot be set against ours without care; a changed data set is named first."""
    _, _, change = dataset_title.partition(" (")
    changed = f"ours is another data set ({change}; " if change else ""
    return changed + REASONS[origin]
