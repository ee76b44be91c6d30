"""What a figure shows, in a sentence above it; empty where there is nothing to compare."""

import math

import numpy as np
import polars as pl

from benchmark.findings import Findings
from benchmark.findings.orders import Recovery
from benchmark.findings.ranges import Share
from benchmark.findings.scaling import gain
from benchmark.findings.scores import Scores
from benchmark.findings.summary import LABEL
from benchmark.findings.verdict import listed
from benchmark.reports.plots.style import label
from benchmark.statistics import changes, expected_best, pareto


def best(findings: Findings, dataset: str) -> str:
    """Return which models may be the best in the mean over budgets; empty where nothing tells models apart."""
    decision = findings.decision(dataset)
    possible = [label(standing.model) for standing in decision.possible]
    if len(possible) == len(decision.standings):
        return ""
    budgets = len(findings.scores(dataset, findings.metric).blocks.budgets)
    where = f"in the mean over {budgets} budgets" if budgets > 1 else "at this budget"
    verb = "has the best" if len(possible) == 1 else "may have the best"
    return f"{listed(possible)} {verb} {LABEL[findings.metric]} {where}."


def steepest(scores: Scores) -> str:
    """Return which models gain most and least per 4x compute, in the mean over budgets, with intervals."""
    gains = {change.model: gain(scores, change) for change in changes(scores.slopes)}
    if len(gains) < 2 or any(math.isnan(half) for _, half in gains.values()):
        return ""
    most, least = max(gains, key=gains.__getitem__), min(gains, key=gains.__getitem__)
    shown = {name: f"{gains[name][0]:+.2f} ± {gains[name][1]:.2f} %".replace("-", "−") for name in (most, least)}
    return f"Gains per 4x compute go from {label(least)}'s {shown[least]} to {label(most)}'s {shown[most]}."


def front(rows: pl.DataFrame) -> str:
    """Return which models' mean LogLoss no other's beats at the same or a lower cost.

    The rows have the columns model, logloss, training_flops and time.
    """
    parts = []
    for cost, text in (("training_flops", "training FLOP"), ("time", "time")):
        shown = rows.drop_nulls(cost)
        on = shown.filter(pl.Series(pareto(shown[cost], shown["logloss"]), dtype=pl.Boolean))["model"].unique()
        if len(on):
            parts.append(f"{listed(sorted(map(label, on)))} by {text}")
    return f"On the Pareto front of the means: {'; '.join(parts)}." if rows["model"].n_unique() > 1 and parts else ""


def times(rows: pl.DataFrame) -> str:
    """Return the models that train fastest and slowest at the largest budget; the rows have a column time."""
    largest = rows.filter(pl.col("budget") == rows["budget"].max()).sort("time")
    if largest.height < 2:
        return ""
    fast, slow = largest.row(0, named=True), largest.row(-1, named=True)
    ratio = slow["time"] / fast["time"]
    at = f"at {fast['budget']:g} MFLOP"
    return f"{label(slow['model'])} takes {ratio:.2g} times as long per example as {label(fast['model'])} {at}."


def trials(rows: pl.DataFrame, budget: float) -> str:
    """Return how much the second half of the trials still helps at a budget, and which model most."""
    gains = {}
    for (name,), own in rows.filter(pl.col("budget") == budget).group_by("model", maintain_order=True):
        mean, _ = expected_best(own["valid_logloss"].to_numpy())
        gains[str(name)] = float(mean[(len(mean) - 1) // 2] - mean[-1])
    most = max(sorted(gains), key=gains.__getitem__)
    gained = (
        f"{gains[most]:.4f} for {label(most)}, the model that it helps most" if len(gains) > 1 else f"{gains[most]:.4f}"
    )
    return f"At {budget:g} MFLOP the second half of the trials lowers the expected best LogLoss by {gained}."


def scatter(runs: pl.DataFrame) -> str:
    """Return the model and budget whose final runs spread the most in LogLoss."""
    spread = pl.col("test_logloss").max() - pl.col("test_logloss").min()
    widest = runs.group_by("model", "budget").agg(spread=spread).sort("spread", "model", "budget", descending=True)
    row = widest.row(0, named=True)
    if row["spread"] is None or not row["spread"]:
        return ""
    where = f"{label(row['model'])}'s at {row['budget']:g} MFLOP"
    return f"{where} are the final runs that scatter most: {row['spread']:.4f} LogLoss from best to worst."


def curves(budget: float, cell: dict[str, list[list[float]]]) -> str:
    """Return how many models have their lowest mean validation LogLoss after the last epoch.

    Args:
        budget: of the cell.
        cell: LogLoss after each epoch of each run, by model.
    """
    last = 0
    for runs in cell.values():
        shared = min(map(len, runs))
        mean = np.array([losses[:shared] for losses in runs]).mean(axis=0)
        last += shared > 0 and int(mean.argmin()) == shared - 1
    models = "model" if len(cell) == 1 else "models"
    return (
        f"At {budget:g} MFLOP, {last} of {len(cell)} {models} reach their lowest validation LogLoss in the last epoch."
    )


def learnt(recoveries: list[Recovery]) -> str:
    """Return which model learns most of the highest planted order at the largest budget, and which least."""
    largest = max(recovery.budget for recovery in recoveries)
    order = max((order for recovery in recoveries for order in recovery.share), default=None)
    shares = {r.model: r.share[order] for r in recoveries if r.budget == largest and order in r.share}
    if order is None or len(shares) < 2:
        return ""
    most, least = max(shares, key=shares.__getitem__), min(shares, key=shares.__getitem__)
    shown = {name: f"{shares[name][0]:.2f} ± {shares[name][1]:.2f}" for name in (most, least)}
    return (
        f"At {largest:g} MFLOP the shares of order {order} that are learnt go from {label(least)}'s {shown[least]} "
        f"to {label(most)}'s {shown[most]}."
    )


def richest(shares: dict[str, list[Share]]) -> str:
    """Return the value of each parameter whose draws are most often among the best of their study."""
    best = [f"{name} {max(of, key=lambda share: share.best).label}" for name, of in shares.items()]
    return f"Draws are most often among the best at {listed(best)}."
