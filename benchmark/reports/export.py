"""Export of results: BARS leaderboard rows, a Hugging Face model index, parquet, an Optuna storage."""

import csv
import io
import json
from pathlib import Path

import models
from benchmark.errors import RecordError
from benchmark.findings import Findings, file_name
from benchmark.findings.summary import title
from benchmark.output import printable
from benchmark.records import files
from benchmark.reports.formats import escape_csv

FORMATS = ("bars", "hugging-face", "parquet", "optuna")


def write(findings: Findings, form: str, out: Path) -> list[Path]:
    """Write the results and return the files. Raises RecordError if there are no records.

    Args:
        findings: of a results folder.
        form: one of FORMATS.
        out: folder to write to.
    """
    if not findings.records:
        raise RecordError(f"no records in {findings.folder}; nothing to export")
    if form == "parquet":
        out.mkdir(parents=True, exist_ok=True)
        written = {
            "runs.parquet": findings.runs,
            "summary.parquet": findings.summary,
            "overall.parquet": findings.overall,
            "row_noise.parquet": findings.row_covariance,
        }
        for name, frame in written.items():
            frame.write_parquet(out / name)
        return [out / name for name in written]
    if form == "optuna":
        from benchmark.tuning.rebuild import rebuild  # imports Optuna, which takes a second

        return [rebuild(findings, out)]
    make, suffix = {"bars": (bars, "csv"), "hugging-face": (model_index, "yaml")}[form]
    paths = []
    for dataset in findings.datasets:
        paths.append(out / f"{file_name(dataset)}.{suffix}")
        files.write_text(paths[-1], make(findings, dataset))
    return paths


def bars(findings: Findings, dataset: str) -> str:
    """Return rows of the BARS leaderboard CSV: each model at each budget, means over final runs. Nothing is chosen by them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["Year", "Publication", "Model", "Paper URL", "AUC", "Logloss", "Running Steps", "Contributor"])
    for row in findings.rows(dataset).drop_nulls("auc").sort("model", "budget").iter_rows(named=True):
        source = models.summary(row["model"]) if models.known(row["model"]) else ""
        note = f"protocol {findings.protocol.name}, {row['budget']:g} MFLOP per example, mean of {row['finals']} final runs"
        values = ["", source, title(row["model"]), "", f"{row['auc']:.6f}", f"{row['logloss']:.6f}", note, ""]
        writer.writerow([escape_csv(value) for value in values])
    return out.getvalue()


def model_index(findings: Findings, dataset: str) -> str:
    """Return a Hugging Face model index as JSON, which is valid YAML, with one result per model and budget."""
    results = []
    for row in findings.rows(dataset).drop_nulls("auc").iter_rows(named=True):
        name = f"{title(row['model'])} at {row['budget']:g} training MFLOP per example"
        metrics = [
            {"type": kind, "name": f"mean test {label} over {row['finals']} final runs", "value": row[metric]}
            for kind, label, metric in (("roc_auc", "AUC", "auc"), ("log_loss", "LogLoss", "logloss"))
        ]
        dataset_title = printable(findings.title(dataset))
        revision = next(record.data_fingerprint for record in findings.records if record.dataset == dataset)
        results.append(
            {
                "name": printable(name),
                "results": [
                    {
                        "task": {"type": "tabular-classification", "name": "click-through rate prediction"},
                        "dataset": {"type": printable(dataset), "name": dataset_title, "revision": revision},
                        "metrics": metrics,
                    }
                ],
            }
        )
    return json.dumps({"model-index": results}, indent=1, allow_nan=False) + "\n"
