"""Figure of quality against the other axes of compute: of a final run, of the whole search, and time."""

import polars as pl
import seaborn as sns
from matplotlib.figure import Figure

from benchmark.findings import Findings
from benchmark.reports.plots import captions
from benchmark.reports.plots.style import METRIC_LABELS, cost_axis, drawn, label, legend, panels

AXES = {  # column of the summary: label, with its unit
    "run_compute": "training compute of a final run, FLOP",
    "search_compute": "compute of a block's whole search, FLOP",
    "train_seconds": "training time of a final run, s\n(of the machine and load it ran under)",
}


def axes_of_compute(findings: Findings, dataset: str) -> Figure | None:
    """Draw the metric that decides against each of AXES, one point per study. None if all their values are unknown or 0."""
    metric = findings.metric
    rows = findings.rows(dataset).drop_nulls(metric)
    known = {name: rows.filter(pl.col(name) > 0) for name in AXES}  # a model without FLOPs has no place on a log axis
    if all(shown.is_empty() for shown in known.values()):
        return None
    heading = f"{findings.heading(dataset)}; intervals cover {findings.scores(dataset, metric).covers}"
    figure, axes = panels(len(AXES), heading, finding=captions.best(findings, dataset), share_y=True, width=4.2)
    for axis, (name, shown) in zip(axes, known.items(), strict=True):
        for model in sorted(shown["model"].unique()):
            points = shown.filter(pl.col("model") == model).sort("budget")
            half = points[f"{metric}_interval"].fill_null(0.0)
            style = {"elinewidth": 1, "capsize": 2.5, **drawn(model, 6, 1)}
            axis.errorbar(points[name], points[metric], half, label=label(model), **style)
        cost_axis(axis, AXES[name])
        sns.despine(ax=axis)
    axes[0].set_ylabel(METRIC_LABELS[metric])
    legend(figure, axes)
    return figure
