"""Table cells from numbers and text, and phrases that several legends share. An unknown value prints as —, never 0."""

import math

from benchmark.findings import Findings
from benchmark.findings.scores import Scores
from benchmark.reports.table import HOLE, Cell
from benchmark.statistics import CONFIDENCE, POWER

INTERVAL = f"{100 * CONFIDENCE:g} %"
WITH_POWER = f"with {100 * POWER:g} % power"
MARKS = (
    "models that share a letter cannot be told apart. The best is bold, and the next underlined, only where the best is told "
    "apart from every other model."
)
T_INTERVAL = f"± half-width of the {INTERVAL} t interval"


def covered(scores: Scores) -> str:
    """Return what follows "mean" in a legend: over what it is, what its interval covers, and why others are missing."""
    if scores.replicated:
        rows = "" if scores.blocks.rows is not None else " (not test rows: their noise is unknown without predictions)"
        return f"over blocks ± half-width of the {INTERVAL} interval, which covers {scores.covers}{rows}"
    return (
        f"over {scores.covers} {T_INTERVAL}. One search: its luck is not in the interval, so there are no letters, no bold, no "
        "trend and no verdict"
    )


def measured_on(findings: Findings, dataset: str) -> str:
    """Return the sentence that says which machine a data set's throughput is of, or how to measure it."""
    machine = findings.measured_on(dataset)
    if machine is None:
        return "Throughput is not measured; run `wukong-bench time NAME`."
    return f"Throughput is measured on {machine}."


def count(value: float | None) -> str:
    """Return a count with a unit prefix: 1.23 k, 45.6 M, 7.89 P."""
    if value is None:
        return HOLE
    rounded = float(f"{value:.3g}")  # 999,999 is 1 M, not 1e+03 k
    for size, prefix in ((1e18, " E"), (1e15, " P"), (1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if rounded >= size:
            return f"{rounded / size:.3g}{prefix}"
    return f"{value:.0f}"


def number(value: float | None, form: str = ".4f", half: float | None = None) -> Cell:
    """Return a cell with a number and its interval.

    Args:
        value: None or nan if unknown.
        form: format of the number; the interval has the same without sign.
        half: half-width of the interval; None or nan if unknown.
    """
    if value is None or math.isnan(value):
        return Cell(HOLE)
    if half is not None and math.isnan(half):
        half = None
    shown = format(value, form)
    shown = (shown if shown.strip("+-0.") else shown.lstrip("+-")).replace("-", "−")  # no sign before 0
    return Cell(shown + (f" ± {format(half, form.lstrip('+'))}" if half is not None else ""), value, half=half)


def p_value(value: float | None) -> Cell:
    """Return the p value of a test; one that would round to 0 is shown as a bound."""
    cell = number(value, ".3f")
    return Cell("< 0.001", value) if cell.text == "0.000" else cell


def text(value: str | None) -> Cell:
    """Return a cell of text."""
    return Cell(value or HOLE, value)


def whole(value: int | None) -> Cell:
    """Return a cell with a count in full."""
    return Cell(HOLE if value is None else str(value), value)


def size(value: float | None) -> Cell:
    """Return a cell with a count and its unit prefix."""
    return Cell(count(value), value)
