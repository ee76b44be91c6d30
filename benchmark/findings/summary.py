"""Records summed up: one row per (data set, budget, model)."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import polars as pl

import models
from benchmark.findings.runs import METRICS, Metric, finals
from benchmark.findings.scores import Scores
from benchmark.records.throughput import Speed
from benchmark.statistics import block_letters

LABEL = {"logloss": "LogLoss", "auc": "AUC"}


TITLES: dict[str, str] = {}  # of models that are not installed here, from the first folder read that has them


def title(model: str) -> str:
    """Return the model's name in its paper; that in a folder's facts, or else in its records, if it is not installed."""
    return _installed(model) or TITLES.get(model) or model


@cache
def _installed(model: str) -> str | None:
    return models.title(model) if models.known(model) else None


SUMMARY_COLUMNS: dict[str, Any] = {
    "dataset": pl.String,
    "budget": pl.Float64,  # training MFLOP per example
    "model": pl.String,
    "logloss": pl.Float64,
    "logloss_interval": pl.Float64,  # half-width
    "logloss_covers": pl.String,  # what the interval covers
    "logloss_letters": pl.String,
    "auc": pl.Float64,
    "auc_interval": pl.Float64,
    "auc_covers": pl.String,
    "auc_letters": pl.String,
    "floor": pl.Float64,  # of LogLoss on the working scale; 0 if none is known
    "blocks": pl.Int64,  # with a finished final run
    "blocks_missing": pl.Int64,
    "training_flops": pl.Int64,
    "off_budget": pl.Float64,  # relative; of the block furthest off
    "forward_flops": pl.Int64,
    "dense_parameters": pl.Int64,
    "embedding_parameters": pl.Int64,
    "run_compute": pl.Float64,  # FLOP of a final run; mean over final runs
    "search_compute": pl.Float64,  # FLOP of all trained runs of a block; mean over blocks
    "examples_per_second": pl.Float64,  # in training, as measured by `wukong-bench time`
    "trials": pl.Int64,  # complete, of all blocks
    "trials_pruned": pl.Int64,
    "failed": pl.Int64,  # trials, retrials and final runs that failed
    "trials_failed": pl.Int64,
    "collapsed": pl.Int64,  # trials, retrials and final runs whose predictions do not rank
    "trials_collapsed": pl.Int64,
    "infeasible": pl.Int64,
    "finals": pl.Int64,  # complete, of all blocks
    "finals_failed": pl.Int64,
    "finals_collapsed": pl.Int64,
    "config": pl.String,  # of the first block
}


def summary(
    runs: pl.DataFrame,
    scores: Callable[[str, Metric], Scores],
    speeds: Callable[[str], Mapping[tuple[str, float], Speed]],
) -> pl.DataFrame:
    """Return one row per (data set, budget, model) of the tidy runs, sorted by mean test LogLoss within a budget.

    FLOPs and parameters are means over the blocks' winners. Unknown values are null.

    Args:
        runs: tidy runs.
        scores: of a data set in a metric.
        speeds: of a data set, as measured, by model and budget.
    """
    searched = runs.filter(pl.col("kind") != "doubled")  # the doubling check has a table of its own
    groups = searched.group_by("dataset", "budget", "model", maintain_order=True)
    measured = {dataset: speeds(dataset) for dataset in searched["dataset"].unique()}
    rows = [_row(key, group) | _scores(key, scores) | _speed(key, measured) for key, group in groups]
    frame = pl.DataFrame(rows, schema=SUMMARY_COLUMNS, orient="row")
    return frame.sort("dataset", "budget", "logloss", "model", nulls_last=True)


OVERALL_COLUMNS: dict[str, Any] = {
    "dataset": pl.String,
    "metric": pl.String,
    "model": pl.String,
    "mean": pl.Float64,  # over the budgets, on the working scale, in natural units
    "interval": pl.Float64,  # half-width
    "covers": pl.String,
    "letters": pl.String,
}


def overall(datasets: Iterable[str], scores: Callable[[str, Metric], Scores]) -> pl.DataFrame:
    """Return one row per (data set, metric, model) that has all budgets, the best mean first.

    Args:
        datasets: names.
        scores: of a data set in a metric.
    """
    rows = []
    for dataset in datasets:
        for metric in METRICS:
            of_set = scores(dataset, metric)
            letters = block_letters(of_set.overall)
            for _, model in sorted(zip(of_set.overall.values.tolist(), of_set.overall.models, strict=True)):
                mean, half = of_set.mean(model) or (None, None)
                rows.append((dataset, metric, model, mean, half, of_set.covers, letters.get(model)))
    return pl.DataFrame(rows, schema=OVERALL_COLUMNS, orient="row")


def _scores(key: tuple[Any, ...], scores: Callable[[str, Metric], Scores]) -> dict[str, Any]:
    dataset, budget, model = key
    row: dict[str, Any] = {}
    for metric in METRICS:
        of_set = scores(dataset, metric)
        if (score := of_set.at((model, budget))) is not None:
            row[metric], row[f"{metric}_interval"] = score
            row[f"{metric}_covers"] = of_set.covers
            row[f"{metric}_letters"] = of_set.letters[budget].get(model)
    logloss = scores(dataset, "logloss")
    row["floor"] = logloss.scale.floor
    place = logloss.blocks.index.get((model, budget))
    row["blocks"] = 0 if place is None else int(logloss.blocks.finished[place])
    row["blocks_missing"] = 0 if place is None else len(logloss.blocks.values[model, budget]) - row["blocks"]
    return row


def _row(key: tuple[Any, ...], group: pl.DataFrame) -> dict[str, Any]:
    dataset, budget, model = key
    done, status = finals(group), group["status"].to_list()
    count = Counter(zip(group["kind"].to_list(), status, strict=True))
    row: dict[str, Any] = dict.fromkeys(SUMMARY_COLUMNS)
    row |= {
        "dataset": dataset,
        "budget": budget,
        "model": model,
        "trials": count["trial", "complete"],
        "trials_pruned": count["trial", "pruned"],
        "failed": status.count("failed"),
        "trials_failed": count["trial", "failed"],
        "collapsed": status.count("collapsed"),
        "trials_collapsed": count["trial", "collapsed"],
        "infeasible": status.count("infeasible"),
        "finals": len(done),
        "finals_failed": count["final", "failed"],
        "finals_collapsed": count["final", "collapsed"],
        "search_compute": _search_compute(group),
    }
    if done.is_empty():
        return row
    for name in ("training_flops", "forward_flops", "dense_parameters", "embedding_parameters"):
        mean = done[name].mean()
        row[name] = round(mean) if isinstance(mean, float) else None
    off = (done["training_flops"] / (budget * 1e6) - 1).drop_nulls()
    row["off_budget"] = max(off, key=abs, default=None)
    row["run_compute"] = done["compute"].mean()
    row["config"] = done.sort("block", "seed")["config"][0]
    return row


def _speed(key: tuple[Any, ...], measured: Mapping[str, Mapping[tuple[str, float], Speed]]) -> dict[str, Any]:
    dataset, budget, model = key
    speed = measured[dataset].get((model, budget))
    return {"examples_per_second": speed.examples_per_second if speed else None}


def _search_compute(group: pl.DataFrame) -> float | None:
    """Return the FLOP of all trained runs of a study per block; None if it is unknown for one of them.

    A failed run counts only if its record says how many examples it saw.
    """
    status, known = pl.col("status"), pl.col("compute").is_not_null()
    trained = group.filter(status.is_in(["complete", "pruned", "collapsed"]) | ((status == "failed") & known))
    if trained.is_empty() or trained["compute"].has_nulls():
        return None
    return float(trained["compute"].sum()) / group["block"].n_unique()
