"""Tables of scaling: offset, slope, saturation, stability, compute to match."""

from benchmark.findings.comparison import SMALLEST
from benchmark.findings.scaling import EXPONENT_BUDGETS, EXPONENT_DECADES, Scaling, matches
from benchmark.findings.summary import title
from benchmark.reports.cells import INTERVAL, T_INTERVAL, count, number, p_value, text, whole
from benchmark.reports.table import Cell, Column, Table


def scaling(scalings: list[Scaling], against: str, subject: str, baseline: float, unit: float) -> Table:
    """Return offset, slope, last step and stability of each model, and the exponent where the budgets determine it.

    Args:
        scalings: one per model.
        against: the reference model.
        subject: data set and protocol, for the heading.
        baseline: LogLoss that relative LogLoss refers to.
        unit: training FLOPs per example at the smallest budget.
    """
    rows = []
    for s in scalings:
        pair = s.against
        rows.append(
            (
                text(title(s.curve.model)),
                whole(len(s.curve.flops)),
                number(s.intercept[0] if s.fit else None, "+.3f", s.intercept[1]),
                number(s.slope[0] if s.fit else None, "+.3f", s.slope[1]),
                number(pair.difference.mean if pair else None, "+.3f", pair.difference.half if pair else None),
                p_value(pair.p if pair else None),
                number(s.fit.r2 if s.fit and len(s.curve.flops) > 2 else None, ".3f"),
                number(s.last_step.mean if s.last_step else None, "+.4f", s.last_step.half if s.last_step else None),
                text(s.trend),
                Cell(f"{s.failed} of {s.attempted}" + (", unstable" if s.unstable else ""), s.failed),
                text(f"{s.power.low:.2g} to {s.power.high:.2g}" if s.power and s.exponent_known else None),
            )
        )
    columns = (
        Column("model", numeric=False),
        Column("budgets", narrow=False),
        Column("offset %"),
        Column("slope % per 4x"),
        Column(f"slope minus {title(against)}'s"),
        Column("p (Holm)"),
        Column("R²", narrow=False),
        Column("LogLoss, last step"),
        Column("trend", numeric=False),
        Column("failed", narrow=False),
        Column("exponent", narrow=False),
    )
    legend = (
        f"LogLoss relative to {title(against)} at the smallest budget ({number(baseline).text}), in percent: offset at "
        f"{count(unit)}FLOP, slope per 4x training compute; lines fitted seed by seed, mean over seeds {T_INTERVAL}. Trend of "
        f"the last step: saturated if the change is within noise or below {SMALLEST:g}. The exponent's {INTERVAL} range is "
        f"given only if at least {EXPONENT_BUDGETS} budgets over {EXPONENT_DECADES:g} decades determine it. Failed includes "
        "runs that collapsed."
    )
    return Table("scaling", "Scaling", subject, columns, tuple(rows), legend)


def compute_to_match(scalings: list[Scaling], subject: str) -> Table:
    """Return the training compute at which the row's model reaches the best LogLoss of the column's."""
    curves = {s.curve.model: s.curve for s in scalings}
    matched = matches(curves)
    rows: list[tuple[Cell, ...]] = []
    for a in curves:
        row = [text(title(a))]
        for b in curves:
            if a == b:
                row.append(Cell(""))
                continue
            match, times = matched[a, b]
            sign = f"{match.bound.replace('>=', '≥').replace('<=', '≤')} " if match.bound else ""
            row.append(Cell(f"{sign}{count(match.flops)} ({sign}{times:.2g}×)", match.flops))
        rows.append(tuple(row))
    columns = (Column("model", numeric=False), *(Column(title(name)) for name in curves))
    legend = (
        "Training FLOP per example at which the row's model reaches the column's best mean LogLoss, also as a multiple of the "
        "compute that the column's model needed; interpolated in log compute, never extrapolated (≥: not reached; ≤: already "
        "reached at the smallest budget)."
    )
    return Table("compute_to_match", "Compute to match", subject, columns, tuple(rows), legend)
