"""How models scale: offset, slope, saturation, stability, compute to match."""

from benchmark.findings.scaling import Scaling, matches
from benchmark.findings.summary import title
from benchmark.reports.cells import count, number, p_value, text, whole
from benchmark.reports.table import Cell, Column, Table


def scaling(found: list[Scaling], against: str, subject: str, baseline: float, unit: float) -> Table:
    """Offset, slope, last step and stability of each model, and the power law where it can be had."""
    rows = []
    for s in found:
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
        f"{count(unit)}FLOP, slope per 4x training compute, lines fitted seed by seed, ± half-width of the 95 % t interval "
        "over seeds. Trend of the last step: saturated where its change is within noise or below 0.0005. The exponent's "
        "95 % range is given only for 6 or more budgets over 2.5 decades that determine it."
    )
    return Table("scaling", "Scaling", subject, columns, tuple(rows), legend)


def compute_to_match(found: list[Scaling], subject: str) -> Table:
    """Training compute at which the row's model reaches the best LogLoss of the column's."""
    curves = {s.curve.model: s.curve for s in found}
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
        "Training FLOP per example at which the row's model reaches the column's best mean LogLoss, and as a multiple of the "
        "compute the column's model used for it; interpolated in log compute, never extrapolated: ≥ where it is not reached."
    )
    return Table("compute_to_match", "Compute to match", subject, columns, tuple(rows), legend)
