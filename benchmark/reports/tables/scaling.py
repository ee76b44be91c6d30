"""Tables of scaling: gain per 4x compute, last step, stability, compute to match."""

import math

from benchmark.findings import Findings
from benchmark.findings.scaling import EXPONENT_BUDGETS, EXPONENT_DECADES, gain, matches, unit
from benchmark.findings.scores import Scores
from benchmark.findings.summary import LABEL, title
from benchmark.reports.cells import INTERVAL, count, covered, number, p_value, text, whole
from benchmark.reports.table import HOLE, Cell, Column, Table
from benchmark.statistics import Change, Crossing, Gap


def gain_cell(scores: Scores, change: Change | Gap | None) -> Cell:
    """Return a gain in percent with its interval; None prints a dash.

    Args:
        scores: whose working scale the change is on.
        change: a slope or step, or a difference of two.
    """
    value, half = (None, None) if change is None else gain(scores, change)
    return number(value, "+.2f", half)


def scaling(findings: Findings, dataset: str) -> Table:
    """Return each model's mean gain per 4x compute, its last step and its stability."""
    scores, against = findings.scores(dataset, findings.metric), findings.reference(dataset)
    rows = []
    for s in findings.scaling(dataset):
        rows.append(
            (
                text(title(s.model)),
                whole(s.budgets),
                gain_cell(scores, s.slope),
                gain_cell(scores, s.against),
                p_value(s.against.p if s.against else None),
                gain_cell(scores, s.last_step),
                p_value(s.last_step.p if s.last_step else None),
                text(s.last_step.verdict if s.last_step else None),
                Cell(f"{s.failed} of {s.attempted}" + (", unstable" if s.unstable else ""), s.failed),
                text(f"{s.power.low:.2g} to {s.power.high:.2g}" if s.power else None),
            )
        )
    columns = (
        Column("model", numeric=False),
        Column("budgets", narrow=False),
        Column("gain % per 4x"),
        Column(f"gain minus {title(against)}'s"),
        Column("p (Holm)", narrow=False),
        Column("last step %"),
        Column("last step p (Holm)", narrow=False),
        Column("at the end", numeric=False),
        Column("failed", narrow=False),
        Column("exponent", narrow=False),
    )
    legend = (
        f"Mean gain per 4x training compute, in percent of {unit(scores)}, by least squares over log compute, mean "
        f"{covered(scores)}. A mean over the given budgets: curves bend. Differences from {title(against)} are corrected over "
        "the models, and so are last steps: gains, worsens or not resolved, which does not show that there is no gain. A dash: "
        "the model lacks a budget or several blocks, or has the same compute at all budgets. The exponent's "
        f"{INTERVAL} range, over blocks, needs at least {EXPONENT_BUDGETS} budgets over {EXPONENT_DECADES:g} decades that "
        "determine it. Failed includes runs that collapsed."
    )
    return Table("scaling", "Scaling", findings.heading(dataset), columns, tuple(rows), legend)


def compute_to_match(findings: Findings, dataset: str) -> Table:
    """Return the training compute at which the row's model meets the best mean of the column's."""
    scores = findings.scores(dataset, findings.metric)
    crossings = matches(scores)
    names = [model for model in scores.blocks.models if any(model in pair for pair in crossings)]
    rows = tuple((text(title(a)), *(_match(crossings.get((a, b)), a == b) for b in names)) for a in names)
    columns = (Column("model", numeric=False), *(Column(title(name)) for name in names))
    ends = (
        f"in brackets the {INTERVAL} interval, all compute at which the curve is not told apart from the target, which covers "
        f"{scores.covers}"
        if scores.replicated
        else "without an interval: one search"
    )
    legend = (
        f"Training FLOP per example at which the row's model meets the column's best mean {LABEL[scores.metric]}, {ends}; × is "
        "the multiple of the compute that the column's model needed. Interpolated in log compute, never extrapolated: ≤ is met "
        "at the smallest budget already, > lies beyond the largest."
    )
    return Table("compute_to_match", "Compute to match", findings.heading(dataset), columns, rows, legend)


def _match(meeting: tuple[Crossing, float] | None, same: bool) -> Cell:
    if meeting is None:
        return Cell("" if same else HOLE)
    match, needed = meeting
    ends = None
    interval = ""
    if not math.isnan(match.low + match.high):
        low = (
            f"≤ {count(match.low)}"
            if match.low_open
            else f"> {count(match.largest)}"
            if math.isinf(match.low)
            else count(match.low)
        )
        high = f"> {count(match.largest)}" if match.high_open else count(match.high)
        interval = f" ({low if low == high else f'{low} to {high}'})"
        ends = (_finite(match.low), _finite(match.high), match.low_open, match.high_open)
    if not match.reached:
        return Cell(f"not met by {count(match.largest)}{interval}", None, ends=ends)
    bound = "≤ " if match.at_once else ""
    times = f", {bound}{match.point / needed:.2g}×" if needed else ""
    return Cell(f"{bound}{count(match.point)}{times}{interval}", match.point, ends=ends)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
