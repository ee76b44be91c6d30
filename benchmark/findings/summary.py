"""Records as tidy frames: one row per record, and one row per (data set, budget, model)."""

import json
import math
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

import polars as pl

import models
from benchmark.errors import RecordError
from benchmark.records.record import Record
from benchmark.statistics import mean_interval

METRICS = ("logloss", "auc")
LABEL = {"logloss": "LogLoss", "auc": "AUC"}


@cache
def title(model: str) -> str:
    """Return the model's name in its paper, or the name in its records if the suite does not have the model."""
    return models.title(model) if models.known(model) else model


RUN_COLUMNS: dict[str, Any] = {
    "dataset": pl.String,
    "model": pl.String,
    "budget": pl.Float64,  # training MFLOP per example
    "kind": pl.String,
    "status": pl.String,
    "trial": pl.Int64,
    "seed": pl.Int64,
    "error": pl.String,
    "training_flops": pl.Int64,
    "forward_flops": pl.Int64,
    "dense_parameters": pl.Int64,
    "embedding_parameters": pl.Int64,
    "epochs": pl.Int64,
    "seconds": pl.Float64,
    "examples_per_second": pl.Float64,
    "learning_rate": pl.Float64,
    "valid_logloss": pl.Float64,
    "valid_auc": pl.Float64,
    "test_logloss": pl.Float64,
    "test_auc": pl.Float64,
    "config": pl.String,  # JSON
}


def tidy(records: Iterable[Record]) -> pl.DataFrame:
    """Return one row per record. Raises RecordError if the records differ in protocol, schema or data."""
    rows = list(records)
    _check_comparable(rows)
    return pl.DataFrame([_run(record) for record in rows], schema=RUN_COLUMNS, orient="row")


def _run(record: Record) -> dict[str, Any]:
    row = {name: getattr(record, name, None) for name in RUN_COLUMNS}
    for part, metrics in (("valid", record.valid), ("test", record.test)):
        row |= {f"{part}_{metric}": (metrics or {}).get(metric) for metric in METRICS}
    row["learning_rate"] = record.optimiser.get("learning_rate")
    row["config"] = json.dumps(record.config, sort_keys=True)
    return row


def _check_comparable(records: Iterable[Record]) -> None:
    """Raise RecordError if records differ in protocol, schema or data."""
    seen: dict[str, Any] = {}
    for record in records:
        values = {
            "schemas": record.schema_version,
            "protocols": record.protocol_id,
            f"data of {record.dataset}": record.data_fingerprint,
        }
        for kind, value in values.items():
            earlier = seen.setdefault(kind, value)
            if earlier != value:
                raise RecordError(
                    f"records of different {kind} cannot share a table: {earlier} and {value} "
                    f"(the second in {record.dataset}/{record.model}, budget {record.budget:g})"
                )


SUMMARY_COLUMNS: dict[str, Any] = {
    "dataset": pl.String,
    "budget": pl.Float64,  # training MFLOP per example
    "model": pl.String,
    "logloss": pl.Float64,
    "logloss_interval": pl.Float64,  # half-width
    "auc": pl.Float64,
    "auc_interval": pl.Float64,
    "training_flops": pl.Int64,
    "off_budget": pl.Float64,  # relative
    "forward_flops": pl.Int64,
    "dense_parameters": pl.Int64,
    "embedding_parameters": pl.Int64,
    "examples_per_second": pl.Float64,
    "trials": pl.Int64,  # complete
    "trials_pruned": pl.Int64,
    "failed": pl.Int64,  # trials, retrials and final runs that failed
    "trials_failed": pl.Int64,
    "collapsed": pl.Int64,  # trials, retrials and final runs whose predictions do not rank
    "trials_collapsed": pl.Int64,
    "infeasible": pl.Int64,
    "seeds": pl.Int64,
    "seeds_failed": pl.Int64,
    "seeds_collapsed": pl.Int64,
    "config": pl.String,
}


def summary(runs: pl.DataFrame) -> pl.DataFrame:
    """Return one row per (data set, budget, model) of the tidy runs, sorted by mean test LogLoss within a budget.

    Metrics are means over the seeds of the final runs, with half-widths of their t intervals; unknown values are null.
    """
    searched = runs.filter(pl.col("kind") != "doubled")  # the doubling check has a table of its own
    groups = searched.group_by("dataset", "budget", "model", maintain_order=True)
    rows = [_row(key, group) for key, group in groups]
    frame = pl.DataFrame(rows, schema=SUMMARY_COLUMNS, orient="row")
    return frame.sort("dataset", "budget", "logloss", "model", nulls_last=True)


def finals(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the complete final runs."""
    return runs.filter((pl.col("kind") == "final") & (pl.col("status") == "complete"))


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
        "seeds": len(done),
        "seeds_failed": count["final", "failed"],
        "seeds_collapsed": count["final", "collapsed"],
    }
    if not len(done):
        return row
    for metric in METRICS:
        mean, half = mean_interval(done[f"test_{metric}"].to_list())
        row[metric], row[f"{metric}_interval"] = mean, None if math.isnan(half) else half
    first = done.row(0, named=True)
    row |= {
        name: first[name]
        for name in ("training_flops", "forward_flops", "dense_parameters", "embedding_parameters", "config")
    }
    row["off_budget"] = (first["training_flops"] or 0) / (budget * 1e6) - 1
    row["examples_per_second"] = done["examples_per_second"].mean()
    return row
