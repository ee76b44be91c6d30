"""Table of the shared ranges."""

from benchmark.findings import Findings
from benchmark.findings.ranges import AIDS, BEST, ranked, searched, shares
from benchmark.reports.cells import number, text, whole
from benchmark.reports.table import Cell, Column, Table


def ranges(findings: Findings, dataset: str) -> Table:
    """Return for each value of each shared parameter how many draws it had and the share of them that are good."""
    trials = ranked(findings.records, dataset, findings.protocol.training.monitor)
    rows = tuple(
        (
            text(AIDS[share.parameter]),
            Cell(share.label, share.value),
            whole(share.draws),
            number(share.best, ".2f"),
        )
        for name in searched(trials)
        for share in shares(trials, name)
    )
    columns = (
        Column("parameter", numeric=False),
        Column("value"),
        Column("draws"),
        Column(f"among the best {BEST:.0%}"),
    )
    overall = f" Over all values: {sum(trials['best']) / trials.height:.2f}." if trials.height else ""
    legend = (
        f"Share of the draws that are among the best {BEST:.0%} of their study's trials, over all models; failed and collapsed "
        f"trials are draws, too. A value of the learning rate is the middle of a bin.{overall}"
    )
    return Table("ranges", "Shared ranges", findings.heading(dataset), columns, rows, legend, groups=True)
