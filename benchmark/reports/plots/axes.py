"""Figure of quality against the other axes of compute: of a final run, of the whole search, and measured time."""

import polars as pl
import seaborn as sns
from matplotlib.figure import Figure

from benchmark.findings import Findings
from benchmark.reports.plots import captions
from benchmark.reports.plots.style import METRIC_LABELS, beneath, cost_axis, drawn, label, legend, panels

AXES = {  # column of the summary: label, with its unit
    "run_compute": "training compute of a final run, FLOP",
    "search_compute": "compute of a block's whole search, FLOP",
}


def axes_of_compute(findings: Findings, dataset: str) -> Figure | None:
    """Draw the metric that decides against each of AXES, and against time where it was measured, one point per study.

    None if all their values are unknown or 0.
    """
    metric, machine = findings.metric, findings.measured_on(dataset)
    rows = findings.rows(dataset).drop_nulls(metric).with_columns(time=1 / pl.col("examples_per_second"))
    labels = AXES if machine is None else {**AXES, "time": beneath("training time per example, s", machine)}
    known = {name: rows.filter(pl.col(name) > 0) for name in labels}  # a model without FLOPs has no place on a log axis
    if all(shown.is_empty() for shown in known.values()):
        return None
    heading = f"{findings.heading(dataset)}; intervals cover {findings.scores(dataset, metric).covers}"
    finding = captions.best(findings, dataset)
    figure, axes = panels(len(labels), heading, finding=finding, share_y=True, width=4.2)
    for axis, (name, shown) in zip(axes, known.items(), strict=True):
        for model in sorted(shown["model"].unique()):
            points = shown.filter(pl.col("model") == model).sort("budget")
            half = points[f"{metric}_interval"].fill_null(0.0)
            style = {"elinewidth": 1, "capsize": 2.5, **drawn(model, 6, 1)}
            axis.errorbar(points[name], points[metric], half, label=label(model), **style)
        cost_axis(axis, labels[name])
        sns.despine(ax=axis)
    axes[0].set_ylabel(METRIC_LABELS[metric])
    legend(figure, axes)
    return figure
