"""Figures of quality and time against compute."""

import math

import numpy as np
import polars as pl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from benchmark.findings import Findings
from benchmark.findings.scaling import fitted, gain
from benchmark.reports.plots import captions
from benchmark.reports.plots.style import (
    FRONT,
    METRIC_LABELS,
    drawn,
    flops_axis,
    label,
    legend,
    panels,
    time_axis,
)
from benchmark.statistics import changes, pareto


def relative_improvement(findings: Findings, dataset: str) -> Figure | None:
    """Draw relative LogLoss against compute, one line per model (Wukong paper, figure 1). None for a single budget."""
    scores = findings.scores(dataset, "logloss")
    if not scores.slopes.models:
        return None
    lines = fitted(scores)
    rows, against = findings.rows(dataset).drop_nulls("logloss").sort("training_flops"), findings.reference(dataset)
    of_reference = rows.filter(pl.col("model") == against)
    baseline = float((rows if of_reference.is_empty() else of_reference)["logloss"][0])
    slopes = {change.model: change for change in changes(scores.slopes)}
    figure, (axis,) = panels(1, findings.heading(dataset), finding=captions.steepest(scores), width=7.5)
    for name in scores.slopes.models:
        points, text = rows.filter(pl.col("model") == name), label(name)
        if name in slopes:
            value, half = gain(scores, slopes[name])
            interval = "" if math.isnan(half) else f" ± {half:.2f}"
            text += f": {value:+.2f}{interval} % per 4x".replace("-", "−")
        style = drawn(name, 7, 0.0 if name in lines else 1.4)
        axis.plot(points["training_flops"], 100 * (points["logloss"] / baseline - 1), label=text, **style)
        if name in lines:
            flops, heights, _ = lines[name]
            style = drawn(name, 7, 1.4) | {"marker": ""}
            axis.plot(flops, [100 * (y / baseline - 1) for y in heights], **style)
    flops_axis(axis, findings.rows(dataset)["budget"].unique().sort().to_list())
    axis.set_ylabel(f"LogLoss relative to {label(against)}\nat the smallest budget, % (lower is better)")
    axis.axhline(0, color="0.5", linewidth=0.8)
    sns.despine(ax=axis)
    legend(figure, [axis], title=f"mean gain; ± covers\n{scores.covers}" if slopes else "")
    return figure


def pareto_front(findings: Findings, dataset: str) -> Figure:
    """Draw LogLoss against training FLOP and, where it was measured, against time per example, with the Pareto fronts."""
    rows = findings.rows(dataset).drop_nulls("logloss").with_columns(time=1 / pl.col("examples_per_second"))
    machine = findings.measured_on(dataset)
    costs = ("training_flops",) if machine is None else ("training_flops", "time")
    figure, axes = panels(len(costs), findings.heading(dataset), finding=captions.front(rows))
    for axis, cost in zip(axes, costs, strict=True):
        shown = rows.drop_nulls(cost)
        for name in sorted(shown["model"].unique()):
            points = shown.filter(pl.col("model") == name)
            axis.plot(points[cost], points["logloss"], label=label(name), **drawn(name, 7))
        front = shown.filter(pl.Series(pareto(shown[cost], shown["logloss"]), dtype=pl.Boolean)).sort(cost)
        axis.step(front[cost], front["logloss"], where="post", color="0.3", linewidth=1, zorder=1, label=FRONT)
        axis.set_ylabel(METRIC_LABELS["logloss"])
    flops_axis(axes[0], rows["budget"].unique().sort().to_list())
    if machine is not None:
        time_axis(axes[1], "x", machine)
    for axis in axes:
        sns.despine(ax=axis)
    legend(figure, axes)
    return figure


def time_against_flops(findings: Findings, dataset: str) -> Figure | None:
    """Draw measured training time per example against training FLOP, with grey lines of equal achieved FLOP/s.

    None if it was not measured.
    """
    machine = findings.measured_on(dataset)
    if machine is None:
        return None
    rows = findings.rows(dataset).drop_nulls("examples_per_second").with_columns(time=1 / pl.col("examples_per_second"))
    figure, (axis,) = panels(1, findings.heading(dataset), finding=captions.times(rows), width=7.0)
    for name in sorted(rows["model"].unique()):
        points = rows.filter(pl.col("model") == name).sort("training_flops")
        axis.plot(points["training_flops"], points["time"], label=label(name), **drawn(name, 7, 1.4))
    flops_axis(axis, rows["budget"].unique().sort().to_list())
    time_axis(axis, "y", machine)
    _equal_speed(axis)
    sns.despine(ax=axis)
    legend(figure, [axis])
    return figure


def _equal_speed(axis: Axes) -> None:
    """Draw lines of equal achieved FLOP/s, one per decade, labelled where they leave the panel."""
    (x0, x1), (y0, y1) = axis.get_xlim(), axis.get_ylim()
    for power in range(6, 16):
        speed = 10.0**power
        ends = np.array([max(x0, y0 * speed), min(x1, y1 * speed)])
        if ends[0] < ends[1]:
            axis.plot(ends, ends / speed, color="0.75", linewidth=0.8, zorder=0)
            at_top = ends[1] < x1  # else the line leaves on the right
            axis.annotate(
                EngFormatter("FLOP/s")(speed),
                (ends[1], ends[1] / speed),
                (0, 3) if at_top else (3, 0),
                textcoords="offset points",
                fontsize="x-small",
                color="0.4",
                ha="center" if at_top else "left",
                va="bottom" if at_top else "center",
                annotation_clip=False,
            )
    axis.set_xlim(x0, x1)
    axis.set_ylim(y0, y1)
