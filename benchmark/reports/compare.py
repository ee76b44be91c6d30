"""Differences between two results folders: protocol, data, versions, hardware and metrics."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmark.findings import Findings
from benchmark.findings.comparison import cells, family
from benchmark.findings.summary import LABEL, METRICS, title
from benchmark.records.folder import differences
from benchmark.records.record import Record
from benchmark.reports.cells import T_INTERVAL, number, p_value, text
from benchmark.reports.table import Cell, Column, Table
from benchmark.statistics import difference, mean_interval

FIELDS: dict[str, Callable[[Record], Any]] = {
    "schema": lambda record: record.schema_version,
    "commit": lambda record: record.commit,
    "device": lambda record: record.device,
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
    """A table of differences (setting, A, B), a table of metrics per shared data set, and notes in sentences."""

    differences: Table
    numbers: list[Table]
    notes: list[str]


def compare(a: Findings, b: Findings) -> Comparison:
    """Compare two results folders side by side; metrics are never averaged over the folders."""
    shared = sorted(set(a.datasets) & set(b.datasets))
    rows = [tuple(text(part) for part in row) for row in _differences(a, b)]
    columns = tuple(Column(name, numeric=False) for name in ("setting", "A", "B"))
    subject = f"A = {a.folder}, B = {b.folder}"
    return Comparison(
        Table("what_differs", "Differences", subject, columns, tuple(rows)),
        [_numbers(a, b, dataset, subject) for dataset in shared],
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


def _numbers(a: Findings, b: Findings, dataset: str, subject: str) -> Table:
    """Return both folders' means per budget and model, and B minus A paired by seed, Holm-corrected over the table."""
    rows: dict[tuple[float, str], list[Cell]] = {}
    for metric in METRICS:
        left, right = (
            {budget: values for (name, budget), values in cells(f.runs, metric).items() if name == dataset}
            for f in (a, b)
        )
        keys = sorted((b, m) for b in left.keys() & right.keys() for m in left[b].keys() & right[b].keys())
        pairs = family([("B", "A", difference(right[budget][m], left[budget][m])) for budget, m in keys])
        for (budget, m), pair in zip(keys, pairs, strict=True):
            row = rows.setdefault((budget, m), [Cell(f"{budget:g}", budget), text(title(m))])
            for side in (left, right):
                mean, half = mean_interval(list(side[budget][m].values()))
                row.append(number(mean, half=half))
            row += [number(pair.difference.mean, "+.4f", pair.difference.half), p_value(pair.p)]
    columns = [Column("budget"), Column("model", numeric=False)]
    for metric in METRICS:
        columns += [Column(f"{LABEL[metric]} {side}", narrow=side == "B − A") for side in ("A", "B", "B − A")]
        columns.append(Column(f"{LABEL[metric]} p (Holm)", narrow=False))
    legend = f"Mean over seeds {T_INTERVAL}; B − A is paired by shared seeds."
    body = tuple(tuple(row) for row in rows.values())
    return Table("numbers", f"Metrics on {a.title(dataset)}", subject, tuple(columns), body, legend, groups=True)


def _notes(a: Findings, b: Findings) -> list[str]:
    notes = [] if _differences(a, b) else ["Protocol, data, versions and hardware are identical."]
    keys = [{(r.dataset, r.model, r.budget) for r in f.records} for f in (a, b)]
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
    return record.dataset, record.model, record.budget, record.kind, record.trial, record.seed
