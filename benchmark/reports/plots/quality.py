"""Figure of quality against compute: a panel per metric, or a panel per model where many would hide each other."""

import polars as pl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.findings import Findings
from benchmark.findings.runs import METRICS, Metric
from benchmark.findings.scaling import fitted
from benchmark.findings.summary import title
from benchmark.findings.verdict import verdict
from benchmark.published.facts import facts
from benchmark.reports.plots.looks import SUBJECT, look
from benchmark.reports.plots.style import (
    FLOPS_LABEL,
    HOLLOW,
    MANY,
    METRIC_LABELS,
    OTHERS,
    drawn,
    flops_axis,
    label,
    legend,
    panels,
    reference_lines,
)

Line = tuple[list[float], list[float], list[float]]  # FLOPs, heights and half-widths


def quality_against_compute(findings: Findings, dataset: str) -> Figure:
    """Draw quality against training FLOP per example: means over blocks, lines with bands, published points, bounds.

    Up to MANY models share a panel for LogLoss and one for AUC. More have a panel each, of the metric that decides; the subject
    stands in each of them for comparison, all others are grey. At a single budget they have a row each.
    """
    names = findings.rows(dataset).drop_nulls(findings.metric)["model"].unique().sort().to_list()
    note = f"{findings.heading(dataset)}; intervals cover {findings.scores(dataset, findings.metric).covers}"
    sentence = verdict(findings, dataset).sentence
    fit = "lines are fitted, or join the means where no line fits"
    if len(names) <= MANY:
        return _together(findings, dataset, sentence, f"{note}; {fit}")
    if findings.rows(dataset)["budget"].n_unique() == 1:
        return _ranked(findings, dataset, sentence, note)
    return _apart(findings, dataset, sentence, f"{note}; {fit}; panels from the best mean over budgets to the worst")


def _together(findings: Findings, dataset: str, sentence: str, note: str) -> Figure:
    """Draw all models in one panel per metric."""
    rows = findings.rows(dataset)
    figure, axes = panels(len(METRICS), note, finding=sentence)
    for axis, metric in zip(axes, METRICS, strict=True):
        shown = rows.drop_nulls(metric)
        lines = fitted(findings.scores(dataset, metric))
        names = shown["model"].unique().sort().to_list()
        for i, name in enumerate(names):
            shift = 1.025 ** (i - (len(names) - 1) / 2)  # so that error bars stay visible
            _model(axis, shown.filter(pl.col("model") == name), metric, lines.get(name), label(name), shift)
        _published(axis, findings.title(dataset), names, metric)
        axis.set_ylabel(METRIC_LABELS[metric])
        flops_axis(axis, rows["budget"].unique().sort().to_list())
        axis.margins(x=0.08)
    for axis, metric in zip(axes, METRICS, strict=True):
        _finish(axis, findings, dataset, metric)
    legend(figure, axes)
    return figure


def _apart(findings: Findings, dataset: str, sentence: str, note: str) -> Figure:
    """Draw a panel per model, in the metric that decides."""
    metric = findings.metric
    rows, scores = findings.rows(dataset).drop_nulls(metric).sort("training_flops"), findings.scores(dataset, metric)
    lines = fitted(scores)
    names = _by_mean(rows, metric)
    figure, axes = panels(len(names), note, finding=sentence, share_x=True, share_y=True, width=3.5, height=2.7)
    for axis, name in zip(axes, names, strict=True):
        for other in names:
            points = rows.filter(pl.col("model") == other)
            if other == SUBJECT != name:
                style = drawn(other, 3, 1.0) | {"alpha": 0.8, "zorder": 2}
                axis.plot(points["training_flops"], points[metric], label=label(other), **style)
            elif other != name:
                axis.plot(points["training_flops"], points[metric], color="0.8", linewidth=0.9, zorder=1, label=OTHERS)
        _model(axis, rows.filter(pl.col("model") == name), metric, lines.get(name))  # its name is the panel's title
        _published(axis, findings.title(dataset), [name], metric)
        axis.set_title(_with_mean(name, scores.mean(name)), fontsize="medium", color=look(name)["color"])
        axis.tick_params(labelsize="small", labelbottom=True)
        axis.margins(x=0.08, y=0.1)
    widest = max(axes, key=lambda axis: float(axis.dataLim.x1))
    flops_axis(widest, rows["budget"].unique().sort().to_list(), "", apart=0.16)
    for axis in axes:
        _finish(axis, findings, dataset, metric)
    figure.supylabel(f"{METRIC_LABELS[metric]} against {FLOPS_LABEL}", fontsize="medium")
    legend(figure, axes)
    return figure


def _ranked(findings: Findings, dataset: str, sentence: str, note: str) -> Figure:
    """Draw a row per model, from the best at the top, in both metrics."""
    rows = findings.rows(dataset).drop_nulls(findings.metric)
    names = _by_mean(rows, findings.metric)
    figure, axes = panels(len(METRICS), note, finding=sentence, height=1.0 + 0.32 * len(names))
    for axis, metric in zip(axes, METRICS, strict=True):
        for row in rows.drop_nulls(metric).iter_rows(named=True):
            half, place = row[f"{metric}_interval"] or 0.0, names.index(row["model"])
            axis.errorbar(row[metric], place, xerr=half, elinewidth=1.4, capsize=2.5, **drawn(row["model"], 7))
        axis.set_yticks(range(len(names)), [label(name) for name in names] if axis is axes[0] else [""] * len(names))
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.set_xlabel(METRIC_LABELS[metric])
        axis.locator_params(axis="x", nbins=6)  # more labels would overlap
        sns.despine(ax=axis)
    return figure


def _by_mean(rows: pl.DataFrame, metric: Metric) -> list[str]:
    """Return the models from the best mean over their budgets to the worst."""
    means = rows.group_by("model").agg(pl.col(metric).mean()).sort(metric, "model", descending=[metric == "auc", False])
    return means["model"].to_list()


def _model(
    axis: Axes, rows: pl.DataFrame, metric: Metric, line: Line | None, text: str = "_", shift: float = 1.0
) -> None:
    """Draw a model's means with their intervals, and its fitted line with its band, or else a line through the means.

    Args:
        axis: to draw on.
        rows: of the model.
        metric: to draw.
        line: fitted, if there is one.
        text: of the legend; none if it starts with an underscore.
        shift: factor on the compute.
    """
    (name,) = rows["model"].unique().to_list() or [""]
    points = rows.sort("training_flops")
    x, half = points["training_flops"].to_numpy() * shift, points[f"{metric}_interval"].fill_null(0.0).to_numpy()
    style = drawn(name, 5.5, 0.0 if line else 1.4)
    axis.errorbar(x, points[metric], half, label=text, elinewidth=1.2, capsize=2.5, **style)
    if line:
        flops, heights, halves = line
        low, high = ([m + sign * h for m, h in zip(heights, halves, strict=True)] for sign in (-1, 1))
        style = drawn(name, 0, 1.4)
        axis.plot(flops, heights, color=style["color"], linewidth=style["linewidth"], zorder=style["zorder"])
        axis.fill_between(flops, low, high, color=style["color"], alpha=0.15, linewidth=0)


def _published(axis: Axes, dataset_title: str, names: list[str], metric: str) -> None:
    """Draw hollow markers in the models' colours for published results that give both compute and score."""
    titles = {title(name): name for name in names}
    shown = [fact for fact in facts(dataset_title) if fact.training_flops and fact.model in titles]
    for fact in shown:
        style = drawn(titles[fact.model], 7)
        hollow = {"markerfacecolor": "none", "markeredgecolor": style["color"], "markeredgewidth": 1.0}
        axis.plot([fact.training_flops or 0], [getattr(fact, metric)], **(style | hollow))
    for origin in sorted({fact.origin for fact in shown}):
        axis.plot([], [], "o", color="0.4", markersize=8, markerfacecolor="none", label=f"{origin} {HOLLOW}")


def _with_mean(name: str, mean: tuple[float, float | None] | None) -> str:
    """Return a model's name, with its mean over budgets and the interval where they are known."""
    value, half = mean or (None, None)
    texts = [label(name), "" if value is None else f"  {value:.4f}", "" if half is None else f" ± {half:.4f}"]
    return "".join(texts)


def _finish(axis: Axes, findings: Findings, dataset: str, metric: str) -> None:
    """Draw the bounds, once all points are drawn and the axis is as long as it gets."""
    bounds = {name: getattr(bound, metric) for name, bound in findings.of(dataset).bounds.items()}
    reference_lines(axis, bounds, best_is_low=metric == "logloss")
    sns.despine(ax=axis)
