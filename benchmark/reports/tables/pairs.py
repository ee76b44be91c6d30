"""Tables of model pairs: differences from the reference, and wins."""

from benchmark.findings import Findings
from benchmark.findings.comparison import differences, verdict, wins
from benchmark.findings.runs import METRICS, Metric
from benchmark.findings.summary import LABEL, title
from benchmark.reports.cells import covered, number, p_value, text
from benchmark.reports.table import Cell, Column, Table
from benchmark.statistics import SIGNIFICANCE


def difference_table(findings: Findings, dataset: str) -> Table:
    """Return every model minus the reference, in the mean over budgets and at every budget, in both metrics."""
    against = findings.reference(dataset)
    scores = {metric: findings.scores(dataset, metric) for metric in METRICS}
    pairs = {metric: differences(scores[metric], against) for metric in METRICS}
    keys = dict.fromkeys(key for metric in METRICS for key in pairs[metric])
    rows = []
    for budget, model in sorted(keys, key=lambda key: (key[0] or 0.0, key[1])):
        row = [Cell("mean", 0.0) if budget is None else Cell(f"{budget:g}", budget), text(title(model))]
        for metric in METRICS:
            pair = pairs[metric].get((budget, model))
            value, half = scores[metric].difference(*pair) if pair else (None, None)
            row += [
                number(value, "+.4f", half),
                p_value(pair[1].p if pair else None),
                text(verdict(pair[1]) if pair else None),
            ]
        rows.append(tuple(row))
    columns = [Column("budget"), Column("model", numeric=False)]
    for metric in METRICS:
        label = LABEL[metric]
        columns += [
            Column(f"{label} difference"),
            Column(f"{label} p (Holm)", narrow=False),
            Column(f"{label} verdict", numeric=False),
        ]
    legend = (
        f"Model minus {title(against)}, mean {covered(scores['logloss'])}, for this difference alone; p is Welch's, "
        f"Holm-corrected over the models within a budget. Better or worse: p below {SIGNIFICANCE:g}. Budget mean: over "
        "the budgets, the primary comparison; single budgets are secondary."
    )
    heading = findings.heading(dataset)
    return Table(
        "differences", f"Differences from {title(against)}", heading, tuple(columns), tuple(rows), legend, groups=True
    )


def win_matrix(findings: Findings, dataset: str, metric: Metric) -> Table:
    """Return at how many budgets the row's model is better than, not told apart from and worse than the column's.

    Args:
        findings: of a results folder.
        dataset: whose models are compared.
        metric: to compare by.
    """
    counts = wins(findings.scores(dataset, metric))
    names = sorted({model for pair in counts for model in pair})
    net = {name: sum(won - lost for (a, _), (won, _, lost) in counts.items() if a == name) for name in names}
    ranked = sorted(names, key=lambda name: (-net[name], name))
    rows = []
    for a in ranked:
        shown = [
            Cell("/".join(map(str, counts[a, b])), counts[a, b][0] - counts[a, b][2]) if (a, b) in counts else Cell("")
            for b in ranked
        ]
        rows.append((text(title(a)), *shown))
    columns = (Column("model", numeric=False), *(Column(title(name)) for name in ranked))
    legend = (
        f"Number of budgets at which the row's model is better / not told apart / worse than the column's by test "
        f"{LABEL[metric]}; pairs are Holm-corrected within each budget, so this table is secondary."
    )
    heading = findings.heading(dataset)
    return Table(f"wins_{metric}", f"Wins by {LABEL[metric]}", heading, columns, tuple(rows), legend)
