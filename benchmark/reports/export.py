"""Results in the forms that others read: BARS's leaderboard row, Hugging Face's model index, plain parquet."""

import csv
import io
import json
from pathlib import Path

import models
from benchmark.errors import RecordError
from benchmark.findings import Findings, file_name
from benchmark.findings.summary import title
from benchmark.records import files
from benchmark.reports.formats import escape_csv, printable

FORMATS = ("bars", "hugging-face", "parquet")


def write(findings: Findings, form: str, out: Path) -> list[Path]:
    """Write the folder's results in one of FORMATS under `out`; returns the files. Raises RecordError without records."""
    if not findings.records:
        raise RecordError(f"{findings.folder} holds no records; there is nothing to export")
    if form == "parquet":
        out.mkdir(parents=True, exist_ok=True)
        written = {"runs.parquet": findings.runs, "summary.parquet": findings.summary}
        for name, frame in written.items():
            frame.write_parquet(out / name)
        return [out / name for name in written]
    make, suffix = {"bars": (bars, "csv"), "hugging-face": (model_index, "yaml")}[form]
    paths = []
    for dataset in findings.datasets:
        paths.append(out / f"{file_name(dataset)}.{suffix}")
        files.write_text(paths[-1], make(findings, dataset))
    return paths


def bars(findings: Findings, dataset: str) -> str:
    """Rows of BARS's leaderboard csv: each model's best budget by mean test AUC, the mean over seeds in its note."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["Year", "Publication", "Model", "Paper URL", "AUC", "Logloss", "Running Steps", "Contributor"])
    ranked = findings.rows(dataset).drop_nulls("auc").sort("auc", descending=True)
    best = ranked.unique("model", keep="first", maintain_order=True)
    for row in best.iter_rows(named=True):
        source = models.summary(row["model"]) if models.known(row["model"]) else ""
        note = f"protocol {findings.protocol.name}, {row['budget']:g} MFLOP per example, mean of {row['seeds']} seeds"
        values = ["", source, title(row["model"]), "", f"{row['auc']:.6f}", f"{row['logloss']:.6f}", note, ""]
        writer.writerow([escape_csv(value) for value in values])
    return out.getvalue()


def model_index(findings: Findings, dataset: str) -> str:
    """A Hugging Face model index in YAML's JSON form, a result for each model and budget."""
    results = []
    for row in findings.rows(dataset).drop_nulls("auc").iter_rows(named=True):
        name = f"{title(row['model'])} at {row['budget']:g} training MFLOP per example"
        metrics = [
            {"type": kind, "name": f"mean test {label} over {row['seeds']} seeds", "value": row[metric]}
            for kind, label, metric in (("roc_auc", "AUC", "auc"), ("log_loss", "LogLoss", "logloss"))
        ]
        name_of_data = printable(findings.title(dataset))
        revision = next(record.data_fingerprint for record in findings.records if record.dataset == dataset)
        results.append(
            {
                "name": printable(name),
                "results": [
                    {
                        "task": {"type": "tabular-classification", "name": "click-through rate prediction"},
                        "dataset": {"type": printable(dataset), "name": name_of_data, "revision": revision},
                        "metrics": metrics,
                    }
                ],
            }
        )
    return json.dumps({"model-index": results}, indent=1, allow_nan=False) + "\n"
