"""Read a results folder into polars data frames and ask a question of it.

    python examples/read_results.py [FOLDER]

FOLDER is the results folder of one protocol, `results/hotel` of this repository by default. `findings.runs` has one row for
each trial, retrial and final run; `findings.summary` has one row for each data set, budget and model.
"""

import sys
from pathlib import Path

import polars as pl

from benchmark.findings import Findings, read

HOTEL = Path(__file__).parents[1] / "results" / "hotel"


def quality(findings: Findings, dataset: str) -> pl.DataFrame:
    """Return the mean test LogLoss (of logarithms), one row for each model and one column for each budget, best model first."""
    rows = findings.summary.filter(pl.col("dataset") == dataset).sort("budget")
    wide = rows.pivot(on="budget", index="model", values="logloss")
    return wide.sort(wide.columns[-1], nulls_last=True)


def learning_rate_effect(findings: Findings, dataset: str) -> pl.DataFrame:
    """Return, for each model, the correlation of the ranks of learning rate and validation LogLoss within each budget.

    A negative value says that higher learning rates had lower losses.
    """
    trials = findings.runs.filter(
        pl.col("dataset") == dataset, pl.col("kind") == "trial", pl.col("status") == "complete"
    )
    ranks = pl.col("learning_rate", "valid_logloss").rank().over("model", "budget")
    return (
        trials.with_columns(ranks)
        .group_by("model")
        .agg(trials=pl.len(), correlation=pl.corr("learning_rate", "valid_logloss"))
        .sort("correlation")
    )


def main(folder: Path) -> None:
    """Print both tables for each data set of the folder."""
    findings = read(folder)
    print(f"{folder}: {len(findings.runs)} runs, {len(findings.summary)} rows in the summary")
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
        for dataset in findings.datasets:
            print(f"\n{findings.heading(dataset)}")
            print("\nmean test LogLoss by training MFLOP per example")
            print(quality(findings, dataset))
            print("\nrank correlation of learning rate and validation LogLoss in the trials")
            print(learning_rate_effect(findings, dataset))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HOTEL)
