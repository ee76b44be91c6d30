"""Figures of quality and time against compute."""

import math

import numpy as np
import polars as pl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from benchmark.findings import Findings
from benchmark.findings.runs import METRICS, Metric
from benchmark.findings.scaling import fitted, gain
from benchmark.findings.summary import title
from benchmark.published.facts import facts
from benchmark.reports.plots.style import (
    FRONT,
    HOLLOW,
    METRIC_LABELS,
    flops_axis,
    label,
    legend,
    look,
    panels,
    reference_lines,
    time_axis,
)
from benchmark.statistics import changes, pareto


def quality_against_compute(findings: Findings, dataset: str) -> Figure:
    """Draw LogLoss and AUC against training FLOP per example: means over blocks, lines with bands, published points, bounds."""
    rows, covers = findings.rows(dataset), findings.scores(dataset, findings.metric).covers
    figure, axes = panels(2, f"{findings.heading(dataset)}; intervals cover {covers}")
    for axis, metric in zip(axes, METRICS, strict=True):
        _lines(axis, findings, dataset, metric)
        _means(axis, rows, metric)
        _published(axis, findings.title(dataset), rows, metric)
        axis.set_ylabel(METRIC_LABELS[metric])
        flops_axis(axis, rows["budget"].unique().sort().to_list())
        axis.margins(x=0.08)
        bounds = {name: getattr(bound, metric) for name, bound in findings.of(dataset).bounds.items()}
        reference_lines(axis, bounds, best_is_low=metric == "logloss")
        sns.despine(ax=axis)
    legend(figure, axes)
    return figure


def _means(axis: Axes, rows: pl.DataFrame, metric: str) -> None:
    shown = rows.drop_nulls(metric).sort("training_flops")
    names = sorted(shown["model"].unique())
    for i, name in enumerate(names):
        points = shown.filter(pl.col("model") == name)
        shift = 1.025 ** (i - (len(names) - 1) / 2)  # so that error bars stay visible
        x = points["training_flops"].to_numpy() * shift
        half = points[f"{metric}_interval"].fill_null(0.0).to_numpy()
        axis.errorbar(
            x,
            points[metric],
            half,
            label=label(name),
            linestyle="",
            markersize=6,
            elinewidth=1,
            capsize=2.5,
            **look(name),
        )


def _lines(axis: Axes, findings: Findings, dataset: str, metric: Metric) -> None:
    """Draw the line of each model with several budgets, with its band at CONFIDENCE where there are several blocks."""
    lines = fitted(findings.scores(dataset, metric))
    alpha = min(0.1, 0.3 / max(1, len(lines)))  # overlapping bands must not hide the markers
    for name, (flops, heights, halves) in lines.items():
        low, high = ([m + sign * h for m, h in zip(heights, halves, strict=True)] for sign in (-1, 1))
        axis.plot(flops, heights, color=look(name)["color"], linewidth=1.4)
        axis.fill_between(flops, low, high, color=look(name)["color"], alpha=alpha, linewidth=0)


def _published(axis: Axes, dataset_title: str, rows: pl.DataFrame, metric: str) -> None:
    """Draw hollow markers in the models' colours for published results that give both compute and score."""
    looks = {title(name): look(name) for name in rows["model"].unique().sort()}
    shown = [fact for fact in facts(dataset_title) if fact.training_flops and fact.model in looks]
    for fact in shown:
        x, y = [fact.training_flops or 0], [getattr(fact, metric)]
        axis.plot(x, y, linestyle="", markersize=8, markerfacecolor="none", **looks[fact.model])
    for origin in sorted({fact.origin for fact in shown}):
        axis.plot([], [], "o", color="0.4", markersize=8, markerfacecolor="none", label=f"{origin} {HOLLOW}")


def relative_improvement(findings: Findings, dataset: str) -> Figure | None:
    """Draw relative LogLoss against compute, one line per model (Wukong paper, figure 1). None for a single budget."""
    scores = findings.scores(dataset, "logloss")
    lines = fitted(scores)
    if not lines:
        return None
    rows, against = findings.rows(dataset).drop_nulls("logloss").sort("training_flops"), findings.reference(dataset)
    of_reference = rows.filter(pl.col("model") == against)
    baseline = float((rows if of_reference.is_empty() else of_reference)["logloss"][0])
    slopes = {change.model: change for change in changes(scores.slopes)}
    figure, (axis,) = panels(1, findings.heading(dataset), width=7.5)
    for name, (flops, heights, _) in lines.items():
        points, style, text = rows.filter(pl.col("model") == name), look(name), label(name)
        if name in slopes:
            value, half = gain(scores, slopes[name])
            interval = "" if math.isnan(half) else f" ± {half:.2f}"
            text += f": {value:+.2f}{interval} % per 4x".replace("-", "−")
        axis.plot(
            points["training_flops"],
            100 * (points["logloss"] / baseline - 1),
            linestyle="",
            markersize=7,
            label=text,
            **style,
        )
        axis.plot(flops, [100 * (y / baseline - 1) for y in heights], color=style["color"], linewidth=1.4)
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
    figure, axes = panels(len(costs), findings.heading(dataset))
    for axis, cost in zip(axes, costs, strict=True):
        shown = rows.drop_nulls(cost)
        for name in sorted(shown["model"].unique()):
            points = shown.filter(pl.col("model") == name)
            axis.plot(points[cost], points["logloss"], linestyle="", markersize=7, label=label(name), **look(name))
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
    figure, (axis,) = panels(1, findings.heading(dataset), width=7.0)
    for name in sorted(rows["model"].unique()):
        points = rows.filter(pl.col("model") == name).sort("training_flops")
        axis.plot(
            points["training_flops"], points["time"], linewidth=1.4, markersize=7, label=label(name), **look(name)
        )
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
