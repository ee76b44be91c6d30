"""Table of the doubling check."""

from benchmark.findings.convergence import WORTH, Gain
from benchmark.findings.summary import LABEL, title
from benchmark.reports.cells import number, text, whole
from benchmark.reports.table import Cell, Column, Table


def convergence(gains: list[Gain], epochs: int, subject: str) -> Table:
    """Return what each winner gains from twice the epochs, and whether that counts.

    Args:
        gains: of the data set.
        epochs: of the protocol.
        subject: data set and protocol.
    """
    rows = tuple(
        (
            Cell(f"{gain.budget:g}", gain.budget),
            text(title(gain.model)),
            number(gain.before),
            number(gain.gain, "+.4f"),
            number(gain.error),
            number(gain.worth),
            whole(gain.runs),
            text("passed" if gain.passed else "too few epochs"),
        )
        for gain in gains
    )
    label = LABEL[gains[0].metric] if gains else ""
    columns = (
        Column("budget"),
        Column("model", numeric=False),
        Column(f"validation {label}"),
        Column("gain"),
        Column("error", narrow=False),
        Column("counts above", narrow=False),
        Column("runs", narrow=False),
        Column("check", numeric=False),
    )
    legend = (
        f"Winners trained again for {2 * epochs} epochs instead of {epochs}, same settings and seeds, schedule stretched. "
        "Gains, with their standard error over blocks (seeds of a single block), are on the validation part. A gain counts "
        f"above {WORTH['auc']:g} in AUC, {100 * WORTH['logloss']:g} % of LogLoss, and what its noise exceeds in 5 % of checks."
    )
    return Table("convergence", "Doubling check", subject, columns, rows, legend, groups=True)
