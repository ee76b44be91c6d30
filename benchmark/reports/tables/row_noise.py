"""What the finite test part leaves open."""

from benchmark.findings.row_noise import RowNoise
from benchmark.findings.summary import LABEL, METRICS, title
from benchmark.reports.cells import number, text
from benchmark.reports.table import Cell, Column, Table
from benchmark.statistics import normal_half


def row_noise(found: list[RowNoise], subject: str) -> Table:
    """Each model's gap to the leader of its budget, with the uncertainty of the test examples alone."""
    rows = []
    for noise in found:
        row = [Cell(f"{noise.budget:g}", noise.budget), text(title(noise.model))]
        for metric in METRICS:
            row += [
                number(normal_half(noise.bootstrap[metric])),
                number(noise.gap[metric], "+.4f", normal_half(noise.error[metric])),
                number(noise.detectable(metric)),
            ]
        rows.append(tuple(row))
    columns = [Column("budget"), Column("model", numeric=False)]
    for metric in METRICS:
        label = LABEL[metric]
        columns += [
            Column(f"{label} of one run ±"),
            Column(f"{label} gap"),
            Column(f"{label} detectable", narrow=False),
        ]
    n = f"{found[0].examples:,}" if found else "no"
    legend = (
        f"Noise of the {n} test examples, seeds left aside. Of one run ±: half-width of its 95 % interval by the bootstrap "
        "over examples. Gap: model minus the leader in mean LogLoss at its budget, ± half-width of the 95 % interval, "
        "DeLong's for AUC. Detectable: the least gap that these examples show 4 times in 5."
    )
    return Table("row_noise", "Noise of the test part", subject, tuple(columns), tuple(rows), legend, groups=True)
