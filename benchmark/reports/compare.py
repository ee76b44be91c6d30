"""Differences between two results folders: protocol, data, versions, hardware and metrics."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.findings import Findings
from benchmark.findings.runs import METRICS
from benchmark.findings.scores import Scores, scores
from benchmark.findings.summary import LABEL, title
from benchmark.records.folder import differences
from benchmark.records.record import Record
from benchmark.records.remarks import remarks
from benchmark.reports.cells import INTERVAL, number, p_value, text
from benchmark.reports.replication import Sides, replication
from benchmark.reports.table import Cell, Column, Table
from benchmark.statistics import Contrasts, gaps, holm

FIELDS: dict[str, Callable[[Record], Any]] = {
    "schema": lambda record: record.schema_version,
    "commit": lambda record: record.commit,
    "uncommitted changes": lambda record: {True: "yes", False: "no", None: "unknown"}[record.dirty],
    "file of the model": lambda record: record.model_sha256 and f"{record.model} {record.model_sha256[:12]}",
    "accepted changes": lambda record: "; ".join(record.accepted) or "none",
    "device": lambda record: record.device,
    "devices of a training": lambda record: record.devices,
    "threads": lambda record: record.threads,
    "versions": lambda record: (
        ", ".join(f"{name} {version}" for name, version in sorted(record.versions.items())) or None
    ),
}

INCIDENTAL = {  # fields that may differ between equal runs
    "train_seconds",
    "seconds",
    "finished",
    "device",
    "threads",
    "commit",
    "dirty",
    "versions",
    "protocol",
    "overrides",
}


@dataclass(frozen=True)
class Comparison:
    """A table of differences (setting, A, B), tables of metrics and of agreement per shared data set, notes in sentences."""

    differences: Table
    numbers: list[Table]
    replication: list[Table]
    notes: list[str]


def compare(a: Findings, b: Findings) -> Comparison:
    """Compare two results folders side by side; metrics are never averaged over the folders."""
    shared = sorted(set(a.datasets) & set(b.datasets))
    scored = {dataset: _scores(a, b, dataset) for dataset in shared}
    rows = [tuple(text(part) for part in row) for row in _differences(a, b)]
    columns = tuple(Column(name, numeric=False) for name in ("setting", "A", "B"))
    subject = f"A = {a.folder}, B = {b.folder}"
    return Comparison(
        Table("what_differs", "Differences", subject, columns, tuple(rows)),
        [_numbers(sides, a.title(dataset), subject) for dataset, sides in scored.items()],
        [replication(sides, a.title(dataset), subject) for dataset, sides in scored.items()],
        _notes(a, b),
    )


def _differences(a: Findings, b: Findings) -> list[tuple[str, str, str]]:
    rows = []
    for change in differences(a.protocol.model_dump(mode="json"), b.protocol.model_dump(mode="json")):
        key, _, values = change.partition(" ")
        left, _, right = values.partition(" -> ")
        rows.append((f"protocol: {key}", left, right))
    for dataset in sorted(set(a.datasets) & set(b.datasets)):
        left, right = (_listed({r.data_fingerprint for r in f.records if r.dataset == dataset}) for f in (a, b))
        rows.append((f"data of {dataset}", left, right))
    for name, value_of in FIELDS.items():
        left, right = (_listed({value_of(r) for r in f.records}) for f in (a, b))
        rows.append((name, left, right))
    return [row for row in rows if row[1] != row[2]]


def _listed(values: set[Any]) -> str:
    return ", ".join(sorted(map(str, values)))


def _scores(a: Findings, b: Findings, dataset: str) -> Sides:
    """Return the scores of both folders by metric, without test rows, which are the same in both, and without a floor."""
    return {
        metric: (
            scores(a.runs, dataset, metric, a.protocol.search.blocks),
            scores(b.runs, dataset, metric, b.protocol.search.blocks),
        )
        for metric in METRICS
    }


def _numbers(sides: Sides, dataset_title: str, subject: str) -> Table:
    """Return both folders' means per budget and model, and B minus A by Welch's test, Holm-corrected over the table."""
    rows: dict[tuple[float, str], list[Cell]] = {}
    for metric in METRICS:
        left, right = sides[metric]
        keys = sorted(
            ((budget, model) for model, budget in left.blocks.index.keys() & right.blocks.index.keys()),
            key=lambda key: (key[0], key[1]),
        )
        gaps_of = [(key, difference) for key in keys if (difference := _difference(left, right, key)) is not None]
        adjusted = holm([p for _, (*_, p) in gaps_of])
        for ((budget, model), (value, half, _)), p in zip(gaps_of, adjusted, strict=True):
            row = rows.setdefault((budget, model), [Cell(f"{budget:g}", budget), text(title(model))])
            for side in (left, right):
                mean, half_of_side = side.at((model, budget)) or (None, None)
                row.append(number(mean, half=half_of_side))
            row += [number(value, "+.4f", half), p_value(p)]
    columns = [Column("budget"), Column("model", numeric=False)]
    for metric in METRICS:
        columns += [Column(f"{LABEL[metric]} {side}", narrow=side == "B − A") for side in ("A", "B", "B − A")]
        columns.append(Column(f"{LABEL[metric]} p (Holm)", narrow=False))
    legend = (
        f"Mean over blocks ± half-width of the {INTERVAL} interval, which covers search and seeds; for a single search, the "
        "seeds of one winner, and then B − A has none. Test rows are the same in both folders and not covered."
    )
    body = tuple(tuple(row) for row in rows.values() if len(row) == len(columns))
    return Table("numbers", f"Metrics on {dataset_title}", subject, tuple(columns), body, legend, groups=True)


def _difference(left: Scores, right: Scores, key: tuple[float, str]) -> tuple[float, float | None, float] | None:
    """Return B - A of a study in natural units, the half-width of its interval and its p; None without a finished block."""
    budget, model = key
    sides = [side.columns[budget] for side in (left, right)]
    if not all(model in side.models for side in sides):
        return None
    at = [side.models.index(model) for side in sides]
    values, variances, degrees, missing = (
        np.array([getattr(side, name)[i] for side, i in zip(sides, at, strict=True)])
        for name in ("values", "variances", "degrees", "missing")
    )
    both = Contrasts(("A", "B"), values, variances, degrees, np.zeros((2, 2)), missing)
    tested = gaps(both, "A")
    if not tested:
        return float(right.scale.natural(values[1]) - left.scale.natural(values[0])), None, math.nan
    value, half = left.difference(both, tested[0])
    return value, half, tested[0].p


def _notes(a: Findings, b: Findings) -> list[str]:
    notes = [] if _differences(a, b) else ["Protocol, data, versions and hardware are identical."]
    keys = [{(r.dataset, r.model, r.budget) for r in f.records} for f in (a, b)]
    notes += [f"{side}: {line}." for side, f in (("A", a), ("B", b)) for line in remarks(f.records)]
    for name, own, other in (("A", keys[0], keys[1]), ("B", keys[1], keys[0])):
        only = sorted(own - other)
        if only:
            shown = ", ".join(f"{dataset}/{title(model)}/{budget:g}" for dataset, model, budget in only[:10])
            notes.append(f"Only in {name}: {shown}{f' and {len(only) - 10} more' if len(only) > 10 else ''}.")
    left, right = ({_key(r): r.model_dump(exclude=INCIDENTAL) for r in f.records} for f in (a, b))
    both = left.keys() & right.keys()
    same = sum(left[k] == right[k] for k in both)
    notes.append(f"{same} of {len(both)} shared records are identical apart from timing, machine and source.")
    return notes


def _key(record: Record) -> tuple[Any, ...]:
    return record.dataset, record.model, record.budget, record.block, record.kind, record.trial, record.seed
