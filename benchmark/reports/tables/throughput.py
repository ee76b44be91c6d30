"""The table of measured throughput: training and inference of each winner on one machine."""

from benchmark.findings import Findings
from benchmark.findings.summary import title
from benchmark.reports.cells import measured_on, number, size, text
from benchmark.reports.table import Cell, Column, Table


def throughput(findings: Findings, dataset: str) -> Table:
    """Return one row per budget and model that was measured; without rows if none was."""
    speeds = findings.speeds(dataset)
    batches = sorted({batch for speed in speeds.values() for batch in speed.milliseconds})
    rows = [
        (
            Cell(f"{speed.budget:g}", speed.budget),
            text(title(speed.model)),
            size(speed.examples_per_second),
            size(speed.lowest),
            size(speed.highest),
            *(number(speed.milliseconds.get(batch), ".2f") for batch in batches),
        )
        for speed in sorted(speeds.values(), key=lambda s: (s.budget, -s.examples_per_second))
    ]
    columns = (
        Column("budget"),
        Column("model", numeric=False),
        Column("examples/s"),
        Column("slowest round", narrow=False),
        Column("fastest round", narrow=False),
        *(Column(f"ms for {batch:,}") for batch in batches),
    )
    return Table(
        "throughput",
        "Throughput",
        findings.heading(dataset),
        columns,
        tuple(rows),
        _legend(findings, dataset),
        groups=True,
    )


def _legend(findings: Findings, dataset: str) -> str:
    machine = measured_on(findings, dataset)
    if not findings.speeds(dataset):
        return machine
    measured = findings.throughput[dataset]
    return (
        f"{machine} Training: whole steps on batches of {measured.batch_size:,} with their loader, median of "
        f"{measured.rounds} interleaved rounds of {measured.steps} steps. Ms: median time in "
        "which a batch of so many test rows is predicted, without loading it."
    )
