"""Records as a tidy frame, one row per record."""

import json
from collections.abc import Iterable
from typing import Any, Literal

import polars as pl

from benchmark.errors import RecordError
from benchmark.records.record import Record

Metric = Literal["auc", "logloss"]
METRICS: tuple[Metric, ...] = ("logloss", "auc")
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


def finals(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the complete final runs."""
    return runs.filter((pl.col("kind") == "final") & (pl.col("status") == "complete"))
