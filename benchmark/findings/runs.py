"""Records as a tidy frame, one row per record."""

import json
import math
from collections.abc import Iterable
from typing import Any, Literal

import polars as pl

from benchmark.errors import RecordError
from benchmark.records.record import Record

Metric = Literal["auc", "logloss"]
METRICS: tuple[Metric, ...] = ("logloss", "auc")
MEASURED = (*METRICS, "calibration")  # mean predicted probability over the positive rate
PARTS = ("valid", "test")
RUN_COLUMNS: dict[str, Any] = {
    "dataset": pl.String,
    "model": pl.String,
    "budget": pl.Float64,  # training MFLOP per example
    "kind": pl.String,
    "status": pl.String,
    "block": pl.Int64,
    "trial": pl.Int64,
    "seed": pl.Int64,
    "error": pl.String,
    "training_flops": pl.Int64,
    "forward_flops": pl.Int64,
    "dense_parameters": pl.Int64,
    "embedding_parameters": pl.Int64,
    "epochs": pl.Int64,
    "examples": pl.Int64,
    "compute": pl.Float64,  # FLOP of the whole training: training_flops x examples
    "train_seconds": pl.Float64,  # of any machine, under any load: provenance, no throughput
    "seconds": pl.Float64,
    "learning_rate": pl.Float64,
    **{f"{part}_{metric}": pl.Float64 for part in PARTS for metric in MEASURED},
    "config": pl.String,  # JSON
    "device": pl.String,
    "threads": pl.Int64,
    "commit": pl.String,
    "finished": pl.Datetime(time_zone="UTC"),
    "history": pl.List(pl.Struct({"train_loss": pl.Float64, "logloss": pl.Float64, "auc": pl.Float64})),  # by epoch
}


def tidy(records: Iterable[Record]) -> pl.DataFrame:
    """Return one row per record.

    Raises RecordError if the records differ in protocol, schema or data, or if a finished final run lacks a metric.
    """
    rows = list(records)
    _check_comparable(rows)
    _check_complete(rows)
    return pl.DataFrame([_run(record) for record in rows], schema=RUN_COLUMNS, orient="row")


def _run(record: Record) -> dict[str, Any]:
    row = {name: getattr(record, name, None) for name in RUN_COLUMNS}
    for part, metrics in zip(PARTS, (record.valid, record.test), strict=True):
        row |= {f"{part}_{metric}": (metrics or {}).get(metric) for metric in MEASURED}
    row["history"] = [dict(epoch) for epoch in record.history]
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


def _check_complete(records: Iterable[Record]) -> None:
    """Raise RecordError if a finished final run lacks a test metric or has one that is not finite."""
    for record in records:
        if record.kind == "final" and record.status == "complete":
            for metric in METRICS:
                if not math.isfinite((record.test or {}).get(metric, math.nan)):
                    raise RecordError(f"{record.name}: no finite test {metric}")


def finals(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the complete final runs."""
    return runs.filter((pl.col("kind") == "final") & (pl.col("status") == "complete"))
