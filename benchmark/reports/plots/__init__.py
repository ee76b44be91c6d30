"""The report's figures, drawn with seaborn and matplotlib."""

from matplotlib.figure import Figure

from benchmark.findings import Findings
from benchmark.findings.frontier import Frontier
from benchmark.reports.plots.axes import axes_of_compute
from benchmark.reports.plots.compute import (
    pareto_front,
    relative_improvement,
    time_against_flops,
)
from benchmark.reports.plots.frontier import frontier
from benchmark.reports.plots.orders import orders_against_compute
from benchmark.reports.plots.quality import quality_against_compute
from benchmark.reports.plots.ranges import ranges
from benchmark.reports.plots.runs import best_against_trials, seed_strips, training_curves
from benchmark.reports.plots.save import save
from benchmark.reports.plots.style import styled

__all__ = ["figures_of", "frontier_of", "save", "styled"]


def figures_of(findings: Findings, dataset: str) -> dict[str, Figure]:
    """Return {name: figure} for all figures of a data set that its records allow."""
    drawn: dict[str, Figure | None] = {}
    with styled():
        if findings.rows(dataset)["logloss"].is_not_null().any():
            drawn["quality_against_compute"] = quality_against_compute(findings, dataset)
            drawn["axes_of_compute"] = axes_of_compute(findings, dataset)
            drawn["relative_improvement"] = relative_improvement(findings, dataset)
            drawn["orders_against_compute"] = orders_against_compute(findings, dataset)
            drawn["pareto"] = pareto_front(findings, dataset)
            drawn["seed_strips"] = seed_strips(findings, dataset)
            drawn["training_curves"] = training_curves(findings, dataset)
        drawn["time_against_flops"] = time_against_flops(findings, dataset)
        drawn["best_against_trials"] = best_against_trials(findings, dataset)
        drawn["ranges"] = ranges(findings, dataset)
    return {name: figure for name, figure in drawn.items() if figure is not None}


def frontier_of(result: Frontier, heading: str) -> Figure | None:
    """Return the figure of a compute-optimal frontier; None if no model has final runs."""
    with styled():
        return frontier(result, heading)
