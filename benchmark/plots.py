"""Figures from the summary frame, drawn with seaborn; the same colour and marker for a model everywhere."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import polars as pl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import models

MARKERS = "oshD^vP*Xp<>8d"
METRICS = {"logloss": "LogLoss (lower is better)", "auc": "AUC (higher is better)"}
STYLE: dict[Any, Any] = {"svg.hashsalt": "wukong-bench", "svg.fonttype": "none", "figure.dpi": 100, "savefig.dpi": 150}


def looks(names: list[str]) -> dict[str, dict[str, Any]]:
    """Colour and marker of each model, fixed by its place among all models of the suite."""
    known = [*models.names(), *(name for name in names if name not in models.names())]
    colours = sns.color_palette("colorblind", 10)
    return {
        name: {"color": colours[i % 10], "marker": MARKERS[i % len(MARKERS)]}
        for i, name in enumerate(known)
        if name in names
    }


def quality_against_compute(
    frame: pl.DataFrame, title: str, bounds: dict[str, dict[str, float]] | None = None
) -> Figure:
    """LogLoss and AUC against training FLOP per example on a log axis: means, 95 % intervals and known bounds."""
    with sns.axes_style("whitegrid"), sns.plotting_context("notebook"), mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 4.8), layout="constrained")
        axes = figure.subplots(1, 2)
        for axis, metric in zip(axes, METRICS, strict=True):
            _panel(axis, frame, metric, bounds or {})
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", frameon=False)
        figure.suptitle(title)
    return figure


def _panel(axis: Axes, frame: pl.DataFrame, metric: str, bounds: dict[str, dict[str, float]]) -> None:
    shown = frame.drop_nulls(metric).sort("training_flops")
    names = sorted(shown["model"].unique())
    n_names = len(names)
    for i, (name, look) in enumerate(sorted(looks(names).items())):
        rows = shown.filter(pl.col("model") == name)
        nudge = 1.03 ** (i - (n_names - 1) / 2)  # side by side, so that intervals at one budget do not hide each other
        axis.errorbar(
            rows["training_flops"].to_numpy() / 1e6 * nudge,
            rows[metric].to_numpy(),
            yerr=rows[f"{metric}_interval"].fill_null(0.0).to_numpy(),
            label=models.title(name) if name in models.names() else name,
            markersize=6,
            linewidth=1.5,
            elinewidth=1,
            capsize=2.5,
            **look,
        )
    for name, values in bounds.items():
        axis.axhline(values[metric], color="0.35", linestyle="--", linewidth=1)
        axis.annotate(
            name,
            (1, values[metric]),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            fontsize=9,
            color="0.35",
        )
    if n_names:
        axis.set_xscale("log")
        ticks = sorted(frame["budget"].unique())
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
    axis.set_xlabel("training MFLOP per example")
    axis.set_ylabel(METRICS[metric])
    sns.despine(ax=axis)


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write the figure as PNG and SVG, the same bytes for the same figure."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = [stem.with_suffix(".png"), stem.with_suffix(".svg")]
    with mpl.rc_context(STYLE):
        figure.savefig(paths[0], metadata={"Software": None})
        figure.savefig(paths[1], metadata={"Date": None, "Creator": None})
    return paths
