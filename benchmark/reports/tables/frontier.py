"""Tables of the compute-optimal frontier."""

import math

from benchmark.findings.frontier import Frontier, Optimum
from benchmark.findings.summary import title
from benchmark.reports.cells import INTERVAL, count, number, text, whole
from benchmark.reports.table import Cell, Column, Table

REGRET = f"Regret: test LogLoss minus the Bayes bound, mean over blocks ± half-width of the {INTERVAL} interval"


def frontier(result: Frontier, subject: str) -> Table:
    """Return each model's regret at the best split of each total."""
    rows = []
    for optimum in sorted(result.optima, key=lambda o: (o.total, o.regret)):
        rows.append(
            (
                Cell(f"{optimum.total:g}", optimum.total),
                text(title(optimum.model)),
                number(optimum.regret, ".4f", optimum.half),
                Cell(f"{optimum.best.budget:g}", optimum.best.budget),
                Cell(count(optimum.best.rows), optimum.best.rows),
                Cell(f"{optimum.agreeing} of {optimum.blocks}", optimum.agreeing),
                text(_note(optimum)),
            )
        )
    columns = (
        Column("total GFLOP"),
        Column("model", numeric=False),
        Column("regret"),
        Column("best MFLOP per example"),
        Column("best rows"),
        Column("chosen by", narrow=False),
        Column("note", numeric=False, narrow=False),
    )
    legend = (
        f"{REGRET}. Each block is measured at the split that the validation part of the other blocks chooses, so that the "
        "least of noisy values is not taken for the best; 'chosen by' counts the blocks for which that is the best split by "
        "all blocks' validation. At an end of the splits tried the true optimum may lie beyond."
    )
    return Table("frontier", "Compute-optimal frontier", subject, columns, tuple(rows), legend, groups=True)


def _note(optimum: Optimum) -> str | None:
    notes = ["at an end of the splits"] if optimum.at_end else []
    return "; ".join([*notes, *(["the block chose for itself"] if optimum.blocks == 1 else [])]) or None


def splits(result: Frontier, subject: str) -> Table:
    """Return the regret of every split of every total."""
    rows = tuple(
        (
            Cell(f"{spent.split.total:g}", spent.split.total),
            text(title(spent.model)),
            Cell(f"{spent.split.budget:g}", spent.split.budget),
            Cell(count(spent.split.rows), spent.split.rows),
            number(spent.regret, ".4f", spent.half),
            whole(spent.chosen),
        )
        for spent in sorted(result.spent, key=lambda s: (s.split.total, s.model, s.split.budget))
    )
    columns = (
        Column("total GFLOP"),
        Column("model", numeric=False),
        Column("MFLOP per example"),
        Column("rows"),
        Column("regret"),
        Column("chosen for", narrow=False),
    )
    legend = (
        f"{REGRET}. 'chosen for': blocks that are measured here, because the other blocks' validation chose this split."
    )
    return Table("splits", "Splits of total compute", subject, columns, rows, legend, groups=True)


def checks(result: Frontier, subject: str) -> Table:
    """Return whether each frontier is monotone and above the Bayes bound, and what four times the compute gain."""
    rows = []
    for check in result.checks:
        gain = check.gain
        rises = ", ".join(f"{low:g} to {high:g}" for low, high in check.rises)
        rows.append(
            (
                text(title(check.model)),
                text("passed" if check.passed else "failed"),
                text(f"no: rises from {rises}" if rises else "yes"),
                number(check.lowest, ".4f"),
                whole(check.passing),
                number(100 * math.expm1(gain.value), "+.0f") if gain else text(None),
                text(_range(gain.value, gain.half) if gain else None),
            )
        )
    columns = (
        Column("model", numeric=False),
        Column("check", numeric=False),
        Column("monotone within intervals", numeric=False),
        Column("lowest regret of a run"),
        Column("runs under Bayes"),
        Column("% per 4x"),
        Column(f"{INTERVAL} interval", numeric=False),
    )
    legend = (
        "Monotone: between no two neighbouring totals does the interval of the change lie above 0. % per 4x: mean change of "
        "the frontier's regret over the totals given, not a law beyond them."
    )
    return Table("frontier_check", "Check of the frontier", subject, columns, tuple(rows), legend)


def _range(value: float, half: float) -> str | None:
    if math.isnan(half):
        return None
    low, high = (f"{100 * math.expm1(end):+.0f}".replace("-", "−") for end in (value - half, value + half))
    return f"{low} to {high}"
