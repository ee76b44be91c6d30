"""Records to a tidy frame, and the frame to Markdown, CSV and the terminal. A hole prints —, never 0."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import polars as pl
from rich import box
from rich.table import Table
from rich.text import Text

import models
from benchmark.records import Record, RecordError
from benchmark.statistics import mean_interval

HOLE = "—"


def summary(records: Iterable[Record]) -> pl.DataFrame:
    """One row for each (data set, budget, model), the lowest mean test LogLoss first.

    Metrics are means over the seeds of the final runs with half-widths of their 95 % intervals. Raises RecordError if the
    records may not share a table.
    """
    groups: dict[tuple[str, float, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.dataset, record.budget, record.model), []).append(record)
    _check_comparable(record for group in groups.values() for record in group)
    rows = [_row(key, group) for key, group in groups.items()]
    frame = pl.DataFrame(rows, schema=COLUMNS, orient="row")
    return frame.sort("dataset", "budget", "logloss", "model", nulls_last=True)


COLUMNS: dict[str, Any] = {
    "dataset": pl.String,
    "budget": pl.Float64,  # training MFLOP per example
    "model": pl.String,
    "logloss": pl.Float64,
    "logloss_interval": pl.Float64,
    "auc": pl.Float64,
    "auc_interval": pl.Float64,
    "training_flops": pl.Int64,
    "off_budget": pl.Float64,  # relative
    "forward_flops": pl.Int64,
    "dense_parameters": pl.Int64,
    "embedding_parameters": pl.Int64,
    "examples_per_second": pl.Float64,
    "trials": pl.Int64,  # complete
    "failed": pl.Int64,  # trials and final runs that diverged or broke
    "infeasible": pl.Int64,
    "seeds": pl.Int64,
}


def _row(key: tuple[str, float, str], group: list[Record]) -> dict[str, Any]:
    dataset, budget, model = key
    trials = [r for r in group if r.kind == "trial" and r.status == "complete"]
    finals = [r for r in group if r.kind == "final" and r.status == "complete"]
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {
        "dataset": dataset,
        "budget": budget,
        "model": model,
        "trials": len(trials),
        "failed": sum(r.status == "failed" for r in group),
        "infeasible": sum(r.status == "infeasible" for r in group),
        "seeds": len(finals),
    }
    if not finals:
        return row
    first = finals[0]
    for metric in ("logloss", "auc"):
        mean, half = mean_interval([(r.test or {})[metric] for r in finals])
        row[metric], row[f"{metric}_interval"] = mean, None if math.isnan(half) else half
    names = ("training_flops", "forward_flops", "dense_parameters", "embedding_parameters")
    row |= {name: getattr(first, name) for name in names}
    row["off_budget"] = (first.training_flops or 0) / (budget * 1e6) - 1
    speeds = [r.examples_per_second for r in finals if r.examples_per_second]
    row["examples_per_second"] = sum(speeds) / len(speeds) if speeds else None
    return row


def _check_comparable(records: Iterable[Record]) -> None:
    """Raise RecordError where records of different protocols or data would meet."""
    seen: dict[tuple[str, str], str] = {}
    for record in records:
        pairs = {("protocol", ""): record.protocol_id, ("data of", f" {record.dataset}"): record.data_fingerprint}
        for key, value in pairs.items():
            earlier = seen.setdefault(key, value)
            if earlier != value:
                raise RecordError(
                    f"records of different {key[0]}{key[1]} cannot share a table: {earlier} and {value} "
                    f"(the second in {record.dataset}/{record.model}, budget {record.budget:g})"
                )


def _with_interval(value: float | None, half: float | None) -> str:
    if value is None:
        return HOLE
    return f"{value:.4f}" + (f" ± {half:.4f}" if half is not None else "")


def _number(value: float | None, form: str) -> str:
    return HOLE if value is None else format(value, form)


def count(value: float | None) -> str:
    """A count with its unit prefix: 1.23 k, 45.6 M."""
    if value is None:
        return HOLE
    for size, prefix in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{prefix}"
    return f"{value:.0f}"


Row = dict[str, Any]
SHOWN: dict[str, Callable[[Row], str]] = {
    "budget": lambda row: f"{row['budget']:g}",
    "model": lambda row: models.title(row["model"]) if row["model"] in models.names() else row["model"],
    "LogLoss": lambda row: _with_interval(row["logloss"], row["logloss_interval"]),
    "AUC": lambda row: _with_interval(row["auc"], row["auc_interval"]),
    "training FLOP": lambda row: count(row["training_flops"]),
    "off budget": lambda row: _number(row["off_budget"], "+.1%"),
    "forward FLOP": lambda row: count(row["forward_flops"]),
    "dense par.": lambda row: count(row["dense_parameters"]),
    "emb. par.": lambda row: count(row["embedding_parameters"]),
    "examples/s": lambda row: count(row["examples_per_second"]),
    "trials": lambda row: str(row["trials"]),
    "failed": lambda row: str(row["failed"]),
    "infeasible": lambda row: str(row["infeasible"]),
    "seeds": lambda row: str(row["seeds"]),
}
WIDE = 150  # terminal columns for the whole table
NARROW = ("budget", "model", "LogLoss", "AUC", "examples/s")
LEGEND = (
    "Test part; mean over the seeds ± half-width of the 95 % t interval. Budget and FLOP are for one example, the budget in "
    "training MFLOP; training = 3 x forward. Failed counts trials and final runs, infeasible counts draws that no width "
    "brings on budget."
)


def markdown(frame: pl.DataFrame) -> str:
    """A pipe table of one data set's rows."""
    lines = [f"| {' | '.join(SHOWN)} |", f"|{'|'.join('---' if i == 1 else '--:' for i in range(len(SHOWN)))}|"]
    for row in frame.iter_rows(named=True):
        cells = (show(row).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ") for show in SHOWN.values())
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", LEGEND, ""])


def terminal(frame: pl.DataFrame, title: str, width: int) -> Table:
    """The same table for a terminal; on a narrow one only what the comparison turns on."""
    shown = {name: show for name, show in SHOWN.items() if width >= WIDE or name in NARROW}
    table = Table(title=title, caption=LEGEND, caption_justify="left", title_justify="left", box=box.SIMPLE_HEAD)
    for name in shown:
        table.add_column(name, justify="left" if name == "model" else "right", no_wrap=True)
    previous = None
    for row in frame.iter_rows(named=True):
        if previous not in (None, row["budget"]):
            table.add_section()
        previous = row["budget"]
        table.add_row(*(Text(show(row)) for show in shown.values()))
    return table
