"""Figures of single runs: expected best over trials, scatter over seeds, training curves."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmark.findings import Findings
from benchmark.findings.runs import METRICS, finals
from benchmark.reports.plots import captions
from benchmark.reports.plots.looks import SUBJECT, look
from benchmark.reports.plots.style import MANY, METRIC_LABELS, drawn, label, legend, panels
from benchmark.statistics import expected_best


def best_against_trials(findings: Findings, dataset: str) -> Figure | None:
    """Draw the expected best validation LogLoss of n trials, one panel per budget (Dodge et al. 2019). None without trials."""
    trials = findings.runs.filter(
        (pl.col("dataset") == dataset) & (pl.col("kind") == "trial") & (pl.col("status") == "complete")
    )
    budgets = trials["budget"].unique().sort().to_list()
    if not budgets:
        return None
    sentence = captions.trials(trials, budgets[-1])
    figure, axes = panels(len(budgets), findings.heading(dataset), finding=sentence, share_y=True, width=4.0)
    for axis, budget in zip(axes, budgets, strict=True):
        at_budget = trials.filter(pl.col("budget") == budget)
        for name in sorted(at_budget["model"].unique()):
            scores = at_budget.filter(pl.col("model") == name)["valid_logloss"].to_numpy()
            mean, _ = expected_best(scores)
            n = np.arange(1, len(mean) + 1)
            axis.plot(n, mean, label=label(name), markevery=max(1, len(n) // 8), **drawn(name, 5, 1.4))
        axis.set_title(f"{budget:g} MFLOP", fontsize="medium")
        axis.set_xlabel("trials")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        sns.despine(ax=axis)
    axes[0].set_ylabel("expected best validation LogLoss")
    legend(figure, axes)
    return figure


def seed_strips(findings: Findings, dataset: str) -> Figure | None:
    """Draw test LogLoss and AUC of every final run, one row per budget and model. None without final runs."""
    runs = finals(findings.runs).filter(pl.col("dataset") == dataset)
    if runs.is_empty():
        return None
    names, budgets = sorted(runs["model"].unique()), runs["budget"].unique().sort().to_list()
    figure, axes = panels(2, findings.heading(dataset), finding=captions.scatter(runs))
    figure.set_size_inches(11.6, 1.5 + 0.34 * len(names) * len(budgets) + 0.25 * len(budgets))
    places = {(b, m): f"{b:g}  {label(m)}" for b in budgets for m in names}
    columns: dict[str, list[Any]] = {str(metric): runs[f"test_{metric}"].to_list() for metric in METRICS}
    columns["place"] = [places[b, m] for b, m in runs.select("budget", "model").iter_rows()]
    columns["model"] = runs["model"].to_list()
    frame = pd.DataFrame(columns)
    present = [place for place in places.values() if place in set(frame["place"])]
    for axis, metric in zip(axes, METRICS, strict=True):
        sns.stripplot(
            frame,
            x=metric,
            y="place",
            hue="model",
            order=present,
            palette={name: look(name)["color"] for name in names},
            size=5,
            jitter=False,
            legend=False,
            alpha=0.8,
            ax=axis,
        )
        means = frame.groupby("place")[metric].mean()
        axis.plot([means[place] for place in present], range(len(present)), "|", color="black", markersize=12, zorder=3)
        for i in range(1, len(present)):
            if present[i].split()[0] != present[i - 1].split()[0]:
                axis.axhline(i - 0.5, color="0.6", linewidth=0.8)  # between budgets
        axis.set_xlabel(METRIC_LABELS[metric])
        axis.locator_params(axis="x", nbins=6)  # more labels would overlap
        axis.set_ylabel("")
        axis.yaxis.grid(True, color="0.93")
        sns.despine(ax=axis, left=True)
    axes[0].set_ylabel("budget (training MFLOP per example) and model")
    axes[1].set_yticklabels([])
    return figure


def training_curves(findings: Findings, dataset: str) -> Figure | None:
    """Draw validation LogLoss after each epoch of the final runs, mean and range over seeds. None for a single epoch.

    Of more than MANY models, only the subject has its range drawn.
    """
    curves: dict[float, dict[str, list[list[float]]]] = {}
    for record in findings.records:
        if (record.dataset, record.kind, record.status) == (dataset, "final", "complete"):
            losses = [epoch["logloss"] for epoch in record.history if "logloss" in epoch]
            curves.setdefault(record.budget, {}).setdefault(record.model, []).append(losses)
    if max((len(losses) for cell in curves.values() for runs in cell.values() for losses in runs), default=0) < 2:
        return None
    sentence = captions.curves(max(curves), curves[max(curves)])
    figure, axes = panels(len(curves), findings.heading(dataset), finding=sentence, share_y=True, width=4.0)
    for axis, (budget, cell) in zip(axes, sorted(curves.items()), strict=True):
        for name, runs in sorted(cell.items()):
            shared = min(map(len, runs))  # epochs that all seeds reached
            values = np.array([losses[:shared] for losses in runs])
            epochs = np.arange(1, shared + 1)
            style = drawn(name, 5, 1.4)
            if len(cell) <= MANY or name == SUBJECT:
                low, high = values.min(axis=0), values.max(axis=0)
                axis.fill_between(epochs, low, high, color=style["color"], alpha=0.15, linewidth=0)
            axis.plot(epochs, values.mean(axis=0), label=label(name), markevery=max(1, shared // 8), **style)
        axis.set_title(f"{budget:g} MFLOP", fontsize="medium")
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        sns.despine(ax=axis)
    axes[0].set_ylabel("validation LogLoss")
    legend(figure, axes)
    return figure
