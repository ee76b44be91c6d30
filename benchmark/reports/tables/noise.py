"""Table of the noise of scores, taken apart."""

import polars as pl

from benchmark.findings import Findings
from benchmark.findings.noise import noise
from benchmark.findings.runs import METRICS
from benchmark.findings.summary import LABEL, title
from benchmark.reports.cells import number, text
from benchmark.reports.table import Cell, Column, Table


def noise_table(findings: Findings, dataset: str) -> Table:
    """Return the standard deviations of each study's scores: between blocks, between seeds, by test rows."""
    runs, of_rows = findings.runs.filter(pl.col("dataset") == dataset), findings.row_noise(dataset)
    by_metric = [noise(runs, metric, of_rows.of(metric)) for metric in METRICS]
    rows = tuple(
        (
            Cell(f"{parts[0].budget:g}", parts[0].budget),
            text(title(parts[0].model)),
            *(number(value, ".5f") for part in parts for value in (part.blocks, part.seeds, part.rows)),
        )
        for parts in zip(*by_metric, strict=True)
    )
    columns = (
        Column("budget"),
        Column("model", numeric=False),
        *(Column(f"{LABEL[metric]} {of}") for metric in METRICS for of in ("blocks", "seeds", "test rows")),
    )
    examples = f" of the {of_rows.examples:,} test rows" if of_rows.examples else ""
    legend = (
        "Standard deviations. Blocks: between the means of blocks, which have the noise of their search and of their seeds. "
        f"Seeds: between the final runs of a block. Test rows: by the sample{examples} (DeLong's for AUC), from pairs of runs "
        "of different blocks. A dash: a single block or run, or no predictions."
    )
    return Table("noise", "Noise, taken apart", findings.heading(dataset), columns, rows, legend, groups=True)
