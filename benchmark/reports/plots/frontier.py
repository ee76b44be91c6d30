"""Figure of the compute-optimal frontier: each model's splits of every total, and the frontiers of all models."""

import matplotlib as mpl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.findings.frontier import Frontier
from benchmark.reports.plots.style import drawn, flops_axis, label, legend, panels, regret_axis

TEXT = "test LogLoss above the Bayes bound"


def frontier(result: Frontier, heading: str) -> Figure | None:
    """Draw regret against FLOPs per example, a panel per model with a line per total, then the frontiers against totals."""
    models = [check.model for check in result.checks]
    if not models:
        return None
    figure, axes = panels(len(models) + 1, heading, share_y=True)
    for axis, model in zip(axes, models, strict=False):
        _splits(axis, result, model)
    _frontiers(axes[-1], result, models)
    for axis in axes:
        place = axis.get_subplotspec()
        regret_axis(axis, TEXT if place is None or place.is_first_col() else "")
        sns.despine(ax=axis)
    legend(figure, axes)
    return figure


def _splits(axis: Axes, result: Frontier, model: str) -> None:
    """Draw one model's splits; a ring marks the best of each total."""
    totals = sorted({spent.split.total for spent in result.spent})
    shades = mpl.colormaps["viridis"].resampled(len(totals) + 1)
    best = {optimum.total: optimum.best for optimum in result.optima if optimum.model == model}
    for i, total in enumerate(totals):
        own = [s for s in result.spent if s.model == model and s.split.total == total and s.regret is not None]
        x, y = [s.split.budget * 1e6 for s in own], [s.regret or 0.0 for s in own]
        half = [s.half or 0.0 for s in own]
        axis.errorbar(x, y, half, color=shades(i), marker="o", markersize=4, linewidth=1.2, capsize=2)
        if own:
            axis.annotate(
                f"{total:g} GFLOP",
                (x[-1], y[-1]),
                (7, 0),
                textcoords="offset points",
                va="center",
                fontsize="small",
                color=shades(i),
                annotation_clip=False,
            )
        ring = [s for s in own if s.split == best.get(total)]
        axis.plot(
            [s.split.budget * 1e6 for s in ring],
            [s.regret or 0.0 for s in ring],
            "o",
            color=shades(i),
            markersize=11,
            fillstyle="none",
        )
    axis.margins(x=0.12)
    axis.set_title(label(model), fontsize="medium")
    flops_axis(axis, sorted({spent.split.budget for spent in result.spent}))


def _frontiers(axis: Axes, result: Frontier, models: list[str]) -> None:
    for i, model in enumerate(models):
        own = [optimum for optimum in result.optima if optimum.model == model]
        x = [optimum.total * 1e9 * 1.03 ** (i - (len(models) - 1) / 2) for optimum in own]  # so that bars stay visible
        half = [optimum.half or 0.0 for optimum in own]
        axis.errorbar(
            x,
            [o.regret for o in own],
            half,
            label=label(model),
            capsize=2.5,
            **drawn(model, 6, 1.2),
        )
    axis.set_title("frontiers", fontsize="medium")
    flops_axis(axis, sorted({optimum.total * 1e3 for optimum in result.optima}), "total training FLOP of a run")
