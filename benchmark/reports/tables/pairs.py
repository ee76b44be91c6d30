"""Tables of model pairs: differences from the reference, and wins."""

import polars as pl

from benchmark.findings.comparison import SMALLEST, Pair, differences, wins
from benchmark.findings.summary import LABEL, METRICS, title
from benchmark.reports.cells import T_INTERVAL, WITH_POWER, number, p_value, text, whole
from benchmark.reports.table import Cell, Column, Table
from benchmark.statistics import SIGNIFICANCE


def difference_table(runs: pl.DataFrame, dataset: str, against: str, subject: str) -> Table:
    """Return every model minus the reference at every budget, in both metrics.

    Args:
        runs: tidy runs.
        dataset: whose runs are compared.
        against: the reference model.
        subject: data set and protocol, for the heading.
    """
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
        f"Model minus {title(against)} at the same budget, paired by seed, {T_INTERVAL}; p values are Holm-corrected over the "
        f"column. Detectable: the minimum true difference that these seeds detect {WITH_POWER}. It is a tie if p is at least "
        f"{SIGNIFICANCE:g}, or if the difference is below the detectable one or below {SMALLEST:g}."
    )
    return Table(
        "differences",
        f"Differences from {title(against)}",
        subject,
        (*columns, Column("seeds", narrow=False)),
        tuple(rows),
        legend,
        groups=True,
    )


def win_matrix(runs: pl.DataFrame, dataset: str, metric: str, subject: str) -> Table:
    """Return at how many budgets the row's model is better than, tied with and worse than the column's.

    Args:
        runs: tidy runs.
        dataset: whose runs are compared.
        metric: to compare by.
        subject: data set and protocol, for the heading.
    """
    counts = wins(runs, dataset, metric)
    names = sorted({model for pair in counts for model in pair})
    net = {name: sum(won - lost for (a, _), (won, _, lost) in counts.items() if a == name) for name in names}
    ranked = sorted(names, key=lambda name: (-net[name], name))
    rows = []
    for a in ranked:
        shown = [
            Cell("/".join(map(str, counts[a, b])), counts[a, b][0] - counts[a, b][2]) if a != b else Cell("")
            for b in ranked
        ]
        rows.append((text(title(a)), *shown))
    columns = (Column("model", numeric=False), *(Column(title(name)) for name in ranked))
    legend = (
        f"Number of budgets at which the row's model is better / not told apart / worse than the column's by test "
        f"{LABEL[metric]}; pairs are Holm-corrected within each budget."
    )
    return Table(f"wins_{metric}", f"Wins by {LABEL[metric]}", subject, columns, tuple(rows), legend)
