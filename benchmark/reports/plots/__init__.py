"""The report's figures, drawn with seaborn and matplotlib."""

from collections.abc import Callable, Collection

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

__all__ = ["OF_FINALS", "OF_TRIALS", "figures_of", "frontier_of", "save", "styled"]

Draw = Callable[[Findings, str], Figure | None]
OF_FINALS: dict[str, Draw] = {  # need final runs
    "quality_against_compute": quality_against_compute,
    "axes_of_compute": axes_of_compute,
    "relative_improvement": relative_improvement,
    "orders_against_compute": orders_against_compute,
    "pareto": pareto_front,
    "seed_strips": seed_strips,
    "training_curves": training_curves,
}
OF_TRIALS: dict[str, Draw] = {
    "time_against_flops": time_against_flops,
    "best_against_trials": best_against_trials,
    "ranges": ranges,
}


def figures_of(findings: Findings, dataset: str, names: Collection[str] | None = None) -> dict[str, Figure]:
    """Return {name: figure} for the figures of a data set that its records allow.

    Args:
        findings: of a results folder.
        dataset: whose figures are drawn.
        names: of the figures to draw; None: all.
    """
    finished = findings.rows(dataset)["logloss"].is_not_null().any()
    possible = {**OF_FINALS, **OF_TRIALS} if finished else OF_TRIALS
    with styled():
        drawn = {name: draw(findings, dataset) for name, draw in possible.items() if names is None or name in names}
    return {name: figure for name, figure in drawn.items() if figure is not None}


def frontier_of(result: Frontier, heading: str) -> Figure | None:
    """Return the figure of a compute-optimal frontier; None if no model has final runs."""
    with styled():
        return frontier(result, heading)
