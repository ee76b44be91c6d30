"""The main tables: quality against complexity, and quality at each budget."""

import math
from typing import Any

import polars as pl

from benchmark.findings import Findings
from benchmark.findings.comparison import better
from benchmark.findings.summary import LABEL, METRICS, title
from benchmark.reports.cells import T_INTERVAL, number, size, text, whole
from benchmark.reports.table import Cell, Column, Table

MARKS = (
    "models that share a letter cannot be told apart. The best is bold, and the next underlined, only where the best is told "
    "apart from every other model."
)
LEGEND = (
    f"Test part; mean over seeds {T_INTERVAL}. Within a budget, {MARKS} Budget (in training MFLOP) and FLOP are per example; "
    "training = 3 x forward. Failed counts trials and final runs that failed, collapsed those whose predictions do not rank; "
    "infeasible counts sampled shapes that no width fits to the budget."
)


def quality(findings: Findings, dataset: str) -> Table:
    """Return one row per budget and model of a data set."""
    rows = []
    for row in findings.rows(dataset).iter_rows(named=True):
        rows.append(
            (
                Cell(f"{row['budget']:g}", row["budget"]),
                text(title(row["model"])),
                *(_score(findings, row, metric) for metric in METRICS),
                size(row["training_flops"]),
                number(row["off_budget"], "+z.1%"),
                size(row["forward_flops"]),
                size(row["dense_parameters"]),
                size(row["embedding_parameters"]),
                size(row["examples_per_second"]),
                whole(row["trials"]),
                whole(row["failed"]),
                whole(row["collapsed"]),
                whole(row["infeasible"]),
                whole(row["seeds"]),
            )
        )
    columns = (
        Column("budget"),
        Column("model", numeric=False),
        *(Column(LABEL[metric]) for metric in METRICS),
        Column("training FLOP", narrow=False),
        Column("off budget", narrow=False),
        Column("forward FLOP", narrow=False),
        Column("dense par.", narrow=False),
        Column("emb. par.", narrow=False),
        Column("examples/s"),
        *(Column(name, narrow=False) for name in ("trials", "failed", "collapsed", "infeasible", "seeds")),
    )
    return Table(
        "quality", "Quality against complexity", findings.heading(dataset), columns, tuple(rows), LEGEND, groups=True
    )


def headline(findings: Findings, dataset: str) -> Table:
    """Return one row per model: the protocol's metric at each budget, and the change of LogLoss with compute."""
    summary, metric = findings.rows(dataset), findings.protocol.training.monitor
    slopes = {s.curve.model: s.slope for s in findings.scaling(dataset)[2]}
    budgets = summary["budget"].unique().sort().to_list()
    row_of = {(row["budget"], row["model"]): row for row in summary.iter_rows(named=True)}
    largest = summary.filter(pl.col("budget") == budgets[-1])
    ranked = largest.sort(metric, descending=better(metric) > 0, nulls_last=True)["model"].to_list()
    rows = []
    for model in [*ranked, *sorted(set(summary["model"]) - set(ranked))]:
        of_model = [row_of.get((budget, model)) for budget in budgets]
        scores = [number(None) if row is None else _score(findings, row, metric) for row in of_model]
        slope, half = slopes.get(model, (math.nan, math.nan))
        rows.append((text(title(model)), *scores, number(slope, "+.2f", half)))
    columns = (
        Column("model", numeric=False),
        *(Column(f"{LABEL[metric]} at {budget:g} MFLOP") for budget in budgets),
        Column("LogLoss, % per 4x compute"),
    )
    legend = (
        f"Test part; mean over seeds {T_INTERVAL}, by training MFLOP per example; sorted by the largest budget. Within a "
        f"column, {MARKS}"
    )
    return Table("headline", "Quality at each budget", findings.heading(dataset), columns, tuple(rows), legend)


def _score(findings: Findings, row: dict[str, Any], metric: str) -> Cell:
    """Return a model's mean with its interval, letters and place."""
    cell = number(row[metric], half=row[f"{metric}_interval"])
    place = findings.leaders[metric].get((row["dataset"], row["budget"], row["model"]))
    return Cell(cell.text, cell.value, place or "", row[f"{metric}_letters"] or "", cell.half)
