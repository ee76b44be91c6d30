"""The main tables: quality against complexity, and quality at each budget."""

from typing import Any

import polars as pl

from benchmark.findings import Findings
from benchmark.findings.comparison import better, places
from benchmark.findings.runs import METRICS, Metric
from benchmark.findings.scaling import unit
from benchmark.findings.summary import LABEL, title
from benchmark.reports.cells import MARKS, covered, measured_on, number, size, text, whole
from benchmark.reports.table import Cell, Column, Mark, Table
from benchmark.reports.tables.overall import means
from benchmark.reports.tables.scaling import gain_cell

COUNTS = ("blocks", "missing", "trials", "pruned", "failed", "collapsed", "infeasible", "final runs")

COMPUTE = {"run_compute": "run FLOP", "search_compute": "search FLOP"}

SECONDARY = (
    "Columns are secondary: each is corrected for its own pairs only, so several err more often than one. The mean over "
    "budgets is the primary comparison."
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
                *(size(row[name]) for name in COMPUTE),
                size(row["examples_per_second"]),
                whole(row["blocks"]),
                whole(row["blocks_missing"]),
                whole(row["trials"]),
                whole(row["trials_pruned"]),
                whole(row["failed"]),
                whole(row["collapsed"]),
                whole(row["infeasible"]),
                whole(row["finals"]),
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
        *(Column(name, narrow=False) for name in COMPUTE.values()),
        Column("examples/s"),
        *(Column(name, narrow=False) for name in COUNTS),
    )
    scores = findings.scores(dataset, "logloss")
    marks = f" Within a budget, {MARKS} {SECONDARY}" if scores.replicated else ""
    legend = (
        f"Test part; mean {covered(scores)}.{marks} Budget (in training MFLOP) and FLOP are per example; training "
        "= 3 x forward. Run FLOP is training FLOP x examples seen, mean over final runs. Search FLOP counts every trained run "
        "of a block (trials, pruned and collapsed ones too, retrials, final runs), mean over blocks. Examples/s are of "
        f"training. {measured_on(findings, dataset)} A block without a finished final run is missing. "
        "Pruned trials ended early. Failed counts trials and final runs that failed, collapsed those whose "
        "predictions do not rank; infeasible counts sampled shapes that no width fits to the budget."
    )
    return Table(
        "quality", "Quality against complexity", findings.heading(dataset), columns, tuple(rows), legend, groups=True
    )


def headline(findings: Findings, dataset: str) -> Table:
    """Return one row per model: the protocol's metric in the mean over budgets and at each, and its gain per 4x compute."""
    summary, metric = findings.rows(dataset), findings.metric
    scores = findings.scores(dataset, metric)
    budgets = summary["budget"].unique().sort().to_list()
    row_of = {(row["budget"], row["model"]): row for row in summary.iter_rows(named=True)}
    gains = {s.model: gain_cell(scores, s.slope) for s in findings.scaling(dataset)}
    over_budgets = means(findings, dataset, metric)
    several = len(budgets) > 1
    at_largest = summary.filter(pl.col("budget") == budgets[-1])
    by_column = at_largest.sort(metric, descending=better(metric) > 0, nulls_last=True)["model"].to_list()
    ranked = list(dict.fromkeys([*over_budgets, *by_column, *sorted(set(summary["model"]))]))
    rows = []
    for model in ranked:
        of_model = [row_of.get((budget, model)) for budget in budgets]
        columns = [number(None) if row is None else _score(findings, row, metric) for row in of_model]
        rows.append(
            (
                text(title(model)),
                *([over_budgets.get(model, number(None))] if several else []),
                *columns,
                *([gains.get(model, number(None))] if several else []),
            )
        )
    heads = (
        Column("model", numeric=False),
        *([Column(f"{LABEL[metric]}, mean over budgets")] if several else []),
        *(Column(f"{LABEL[metric]} at {budget:g} MFLOP") for budget in budgets),
        *([Column(f"gain per 4x, % of {unit(scores)}")] if several else []),
    )
    order = "sorted by the mean over budgets" if several else "sorted"
    legend = f"Test part, by training MFLOP per example, {order}; mean {covered(scores)}."
    if scores.replicated:
        legend += f" Within a column, {MARKS}{f' {SECONDARY}' if several else ''}"
    return Table("headline", "Quality at each budget", findings.heading(dataset), heads, tuple(rows), legend)


def _score(findings: Findings, row: dict[str, Any], metric: Metric) -> Cell:
    """Return a model's mean with its interval, letters and place."""
    cell = number(row[metric], half=row[f"{metric}_interval"])
    column = findings.scores(row["dataset"], metric).columns.get(row["budget"])
    place: Mark = places(column).get(row["model"], "") if column else ""
    return Cell(cell.text, cell.value, place, row[f"{metric}_letters"] or "", cell.half)
