"""Numbers and words as cells. A hole prints —, never 0."""

import math

from benchmark.reports.table import HOLE, Cell


def count(value: float | None) -> str:
    """A count with its unit prefix: 1.23 k, 45.6 M."""
    if value is None:
        return HOLE
    for size, prefix in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{prefix}"
    return f"{value:.0f}"


def number(value: float | None, form: str = ".4f", half: float | None = None) -> Cell:
    """A number with its interval; what is not known is a hole."""
    if value is None or math.isnan(value):
        return Cell(HOLE)
    known = half if half is not None and not math.isnan(half) else None
    shown = format(value, form)
    shown = (shown if shown.strip("+-0.") else shown.lstrip("+-")).replace("-", "−")  # no sign before 0
    return Cell(shown + (f" ± {format(known, form.lstrip('+'))}" if known is not None else ""), value, half=known)


def p_value(value: float | None) -> Cell:
    """The p of a test; a small one is bounded, for none is 0."""
    return Cell("< 0.001", value) if value is not None and value < 0.0005 else number(value, ".3f")


def text(value: str | None) -> Cell:
    """Words."""
    return Cell(value or HOLE, value)


def whole(value: int | None) -> Cell:
    """A count as it is."""
    return Cell(HOLE if value is None else str(value), value)


def size(value: float | None) -> Cell:
    """A count with its unit prefix."""
    return Cell(count(value), value)
