"""The report's tables, built from findings."""

from benchmark.findings import Findings
from benchmark.findings.frontier import Frontier
from benchmark.findings.runs import METRICS
from benchmark.published import facts as facts
from benchmark.reports.cells import count
from benchmark.reports.table import Table
from benchmark.reports.tables.convergence import convergence
from benchmark.reports.tables.frontier import checks, frontier, splits
from benchmark.reports.tables.noise import noise_table
from benchmark.reports.tables.orders import orders
from benchmark.reports.tables.overall import overall
from benchmark.reports.tables.pairs import difference_table, win_matrix
from benchmark.reports.tables.published import published
from benchmark.reports.tables.quality import headline, quality
from benchmark.reports.tables.ranges import ranges
from benchmark.reports.tables.reproduced import reproduced
from benchmark.reports.tables.scaling import compute_to_match, scaling
from benchmark.reports.tables.throughput import throughput

__all__ = ["count", "frontier_tables", "headline", "overall", "quality", "reproduced", "tables_of"]


def tables_of(findings: Findings, dataset: str) -> list[Table]:
    """Return all tables of a data set that have rows, the headline first."""
    subject = findings.heading(dataset)
    published_facts = facts.facts(findings.title(dataset))
    tables = [
        headline(findings, dataset),
        overall(findings, dataset),
        quality(findings, dataset),
        throughput(findings, dataset),
        scaling(findings, dataset),
        difference_table(findings, dataset),
        *(win_matrix(findings, dataset, metric) for metric in METRICS),
        compute_to_match(findings, dataset),
        convergence(findings.gains(dataset), findings.protocol.training.epochs, subject),
        orders(findings.recovery(dataset), subject),
        noise_table(findings, dataset),
        ranges(findings, dataset),
    ]
    if published_facts:
        tables.append(published(findings.rows(dataset), published_facts, findings.title(dataset), subject))
    return [table for table in tables if table.rows]


def frontier_tables(result: Frontier, subject: str) -> list[Table]:
    """Return the tables of a compute-optimal frontier that have rows, the frontier first."""
    return [table for table in (make(result, subject) for make in (frontier, checks, splits)) if table.rows]
