"""Quality against complexity: the table that the comparison is about."""

import math

import polars as pl

from benchmark.findings.comparison import all_pairs, better, cells
from benchmark.findings.scaling import Scaling
from benchmark.findings.summary import METRICS, title
from benchmark.formats import Cell, Column, Mark, Table
from benchmark.tables.cells import LABEL, number, size, text, whole

LEGEND = (
    "Test part; mean over the seeds ± half-width of the 95 % t interval. Within a budget, models that share a letter cannot "
    "be told apart; bold only where the lead exceeds that, the next underlined. Budget and FLOP are for one example, the "
    "budget in training MFLOP; training = 3 x forward. Failed counts trials and final runs, infeasible counts draws that no "
    "width brings on budget."
)


def quality(summary: pl.DataFrame, runs: pl.DataFrame, subject: str) -> Table:
    """Quality against complexity: one row for each budget and model of one data set."""
    marks = {metric: _marks(summary, runs, metric) for metric in METRICS}
    unmarked: Mark = ""
    rows = []
    for row in summary.iter_rows(named=True):
        shown = {}
        for metric in METRICS:
            cell = number(row[metric], half=row[f"{metric}_interval"])
            mark = marks[metric].get((row["budget"], row["model"]), unmarked)
            shown[metric] = Cell(cell.text, cell.value, mark, row[f"{metric}_letters"] or "", cell.half)
        rows.append(
            (
                Cell(f"{row['budget']:g}", row["budget"]),
                text(title(row["model"])),
                shown["logloss"],
                shown["auc"],
                size(row["training_flops"]),
                number(row["off_budget"], "+z.1%"),
                size(row["forward_flops"]),
                size(row["dense_parameters"]),
                size(row["embedding_parameters"]),
                size(row["examples_per_second"]),
                whole(row["trials"]),
                whole(row["failed"]),
                whole(row["infeasible"]),
                whole(row["seeds"]),
            )
        )
    columns = (
        Column("budget"),
        Column("model", numeric=False),
        Column("LogLoss"),
        Column("AUC"),
        Column("training FLOP", narrow=False),
        Column("off budget", narrow=False),
        Column("forward FLOP", narrow=False),
        Column("dense par.", narrow=False),
        Column("emb. par.", narrow=False),
        Column("examples/s"),
        *(Column(name, narrow=False) for name in ("trials", "failed", "infeasible", "seeds")),
    )
    return Table("quality", "Quality against complexity", subject, columns, tuple(rows), LEGEND, groups=True)


def headline(summary: pl.DataFrame, runs: pl.DataFrame, metric: str, found: list[Scaling], subject: str) -> Table:
    """The protocol's metric of each model, a row each, at each budget; and how its LogLoss moves with compute."""
    marks, slopes = _marks(summary, runs, metric), {s.curve.model: s.slope for s in found}
    budgets = summary["budget"].unique().sort().to_list()
    at = {(row["budget"], row["model"]): row for row in summary.iter_rows(named=True)}
    largest = summary.filter(pl.col("budget") == budgets[-1])
    ranked = largest.sort(metric, descending=better(metric) > 0, nulls_last=True)["model"].to_list()
    others = sorted(set(summary["model"]) - set(ranked))
    rows = []
    for model in [*ranked, *others]:
        shown = []
        for budget in budgets:
            row = at.get((budget, model), {})
            cell = number(row.get(metric), half=row.get(f"{metric}_interval"))
            letters = row.get(f"{metric}_letters") or ""
            shown.append(Cell(cell.text, cell.value, marks.get((budget, model), ""), letters, cell.half))
        slope, half = slopes.get(model, (math.nan, math.nan))
        rows.append((text(title(model)), *shown, number(slope, "+.2f", half)))
    columns = (
        Column("model", numeric=False),
        *(Column(f"{LABEL[metric]} at {budget:g} MFLOP") for budget in budgets),
        Column("LogLoss, % per 4x compute"),
    )
    legend = (
        "Test part; mean over the seeds ± half-width of the 95 % t interval, by training MFLOP per example; the best at the "
        "largest budget first. In a column, models that share a letter cannot be told apart; bold only where the lead "
        "exceeds that, the next underlined."
    )
    return Table("headline", "Quality at each budget", subject, columns, tuple(rows), legend)


def _marks(summary: pl.DataFrame, runs: pl.DataFrame, metric: str) -> dict[tuple[float, str], Mark]:
    """Best and second of each budget, only where the best is told apart from every other model."""
    marks: dict[tuple[float, str], Mark] = {}
    of_cell = cells(runs, metric)
    for (dataset, budget), rows in summary.drop_nulls(metric).group_by("dataset", "budget"):
        ranked = rows.sort(metric, descending=better(metric) > 0)["model"].to_list()
        pairs = [pair for pair in all_pairs(of_cell[dataset, budget]) if ranked[0] in (pair.a, pair.b)]
        if pairs and all(pair.apart for pair in pairs):
            marks[budget, ranked[0]], marks[budget, ranked[1]] = "best", "second"
    return marks
