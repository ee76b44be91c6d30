"""Models against each other: differences to the reference, and who wins where."""

import polars as pl

from benchmark.findings.comparison import Pair, differences, wins
from benchmark.findings.summary import LABEL, METRICS, title
from benchmark.reports.cells import number, p_value, text, whole
from benchmark.reports.table import Cell, Column, Table


def difference_table(runs: pl.DataFrame, dataset: str, against: str, subject: str) -> Table:
    """Every model minus the reference at every budget, in both metrics."""
    by_metric: dict[str, dict[tuple[float, str], Pair]] = {
        metric: {(budget, pair.a): pair for budget, pair in differences(runs, dataset, metric, against)}
        for metric in METRICS
    }
    rows = []
    for budget, model in sorted(by_metric["logloss"]):
        row = [Cell(f"{budget:g}", budget), text(title(model))]
        for metric in METRICS:
            pair = by_metric[metric][budget, model]
            row += [
                number(pair.difference.mean, "+.4f", pair.difference.half),
                p_value(pair.p),
                number(pair.detectable, ".4f"),
                text(pair.verdict(metric)),
            ]
        rows.append((*row, whole(pair.difference.seeds)))
    columns = [Column("budget"), Column("model", numeric=False)]
    for metric in METRICS:
        label = LABEL[metric]
        columns += [
            Column(f"{label} difference"),
            Column(f"{label} p (Holm)", narrow=False),
            Column(f"{label} detectable", narrow=False),
            Column(f"{label} verdict", numeric=False),
        ]
    legend = (
        f"Model minus {title(against)} at the same budget, paired by seed, ± half-width of the 95 % t interval; p corrected by "
        "Holm over the column. Detectable: the least true difference that these seeds find 4 times in 5. A gap below it, or "
        "below 0.0005, is a tie."
    )
    return Table(
        "differences",
        f"Differences to {title(against)}",
        subject,
        (*columns, Column("seeds", narrow=False)),
        tuple(rows),
        legend,
        groups=True,
    )


def win_matrix(runs: pl.DataFrame, dataset: str, metric: str, subject: str) -> Table:
    """In how many budgets the row's model is better, tied, worse than the column's."""
    found = wins(runs, dataset, metric)
    names = sorted({model for pair in found for model in pair})
    net = {name: sum(w - lost for (a, _), (w, _, lost) in found.items() if a == name) for name in names}
    ranked = sorted(names, key=lambda name: (-net[name], name))
    rows = []
    for a in ranked:
        shown = [
            Cell("/".join(map(str, found[a, b])), found[a, b][0] - found[a, b][2]) if a != b else Cell("")
            for b in ranked
        ]
        rows.append((text(title(a)), *shown))
    columns = (Column("model", numeric=False), *(Column(title(name)) for name in ranked))
    legend = (
        f"Budgets in which the row's model is better / not told apart / worse than the column's, by test {LABEL[metric]}, "
        "pairs corrected by Holm within a budget."
    )
    return Table(f"wins_{metric}", f"Wins by {LABEL[metric]}", subject, columns, tuple(rows), legend)
