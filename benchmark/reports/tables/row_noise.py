"""Table of the sampling noise of the test part."""

from benchmark.findings.row_noise import RowNoise
from benchmark.findings.summary import LABEL, METRICS, title
from benchmark.reports.cells import INTERVAL, WITH_POWER, number, text
from benchmark.reports.table import Cell, Column, Table
from benchmark.statistics import normal_half


def row_noise(noises: list[RowNoise], subject: str) -> Table:
    """Return each model's gap to the leader of its budget, with the uncertainty due to the test examples alone."""
    rows = []
    for noise in noises:
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
    n = f"{noises[0].examples:,}" if noises else "no"
    legend = (
        f"Sampling noise of the {n} test examples, without the noise of seeds. Of one run ±: half-width of its {INTERVAL} "
        f"interval, bootstrapped over examples. Gap: model minus the leader in mean LogLoss at its budget, ± half-width of the "
        f"{INTERVAL} interval (DeLong's for AUC). Detectable: the minimum gap that these examples detect {WITH_POWER}."
    )
    return Table("row_noise", "Noise of the test part", subject, tuple(columns), tuple(rows), legend, groups=True)
