"""Measured growth of a step's cost with vocabulary, fields, budget and rows; cost should grow no faster than the work."""

from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib.pyplot as plt
import polars as pl
import seaborn as sns

import models
from benchmark.reports.formats import pipe_table
from benchmark.reports.plots import styled
from benchmark.speed.inputs import clicks, config_at, endless, prepared
from benchmark.speed.parts import Clock, Section, rounds
from models.base import Execution, SparseOptimiser

MODELS = ("mlp", "wukong")
BATCH_SIZE = 1024
OPTIMISERS: tuple[SparseOptimiser, ...] = ("adam", "rowwise_adagrad")
VOCABULARY = (10_000, 100_000, 1_000_000, 10_000_000)
FIELDS = (3, 10, 30, 100, 200)  # sparse
MFLOP = (0.3, 3.0, 30.0, 300.0)  # forward
ROWS = (100_000, 1_000_000, 10_000_000)


def measured(n: int, output: Path | None) -> Section:
    """Return the table of all measurements from n rounds each; also draw the figure if an output folder is given."""
    rows = [*_vocabulary(n), *_fields(n), *_budget(n), *_rows(n)]
    frame = pl.DataFrame(rows, schema=("axis", "case", "size", "microseconds"), orient="row")
    if output:
        output.mkdir(parents=True, exist_ok=True)
        draw(frame, output / "scale.png")
    text = pipe_table(
        ("axis", "case", "size", "µs per example", "growth", "growth of the size"),
        [
            (
                row["axis"],
                row["case"],
                f"{row['size']:,g}",
                f"{row['microseconds']:.2f}",
                f"{row['microseconds'] / before['microseconds']:.1f}" if before else "",
                f"{row['size'] / before['size']:.1f}" if before else "",
            )
            for _, group in frame.group_by("axis", "case", maintain_order=True)
            for before, row in _pairs(group.to_dicts())
        ],
    )
    return Section(text)


def _pairs(rows: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any] | None, dict[str, Any]]]:
    yield from zip([None, *rows[:-1]], rows, strict=True)


def _step(
    name: str, mflop: float, n: int, n_sparse: int = 26, table_rows: int = 1_000_000, execution: Execution | None = None
) -> float:
    """Return the median microseconds per example of a whole step."""
    clock = Clock()
    with clicks(8 * BATCH_SIZE, BATCH_SIZE, n_sparse=n_sparse, table_rows=table_rows) as (batches, cardinalities):
        model = prepared(name, config_at(name, mflop, n_sparse), cardinalities, execution=execution)
        source = endless(batches)
        work: dict[str, Callable[[], Any]] = {"step": lambda: clock.of(lambda: model.step(next(source)))}
        what = f"{name}, {mflop:g} MFLOP, {n_sparse} fields, {table_rows:,} rows"
        return 1e6 * median(rounds(what, work, n)["step"]) / BATCH_SIZE


def _vocabulary(n: int) -> Iterator[tuple[str, str, float, float]]:
    for optimiser in OPTIMISERS:
        for size in VOCABULARY:
            execution = Execution(sparse_optimiser=optimiser)
            yield "vocabulary", f"MLP, {optimiser}", float(size), _step("mlp", 0.3, n, 26, size, execution)


def _fields(n: int) -> Iterator[tuple[str, str, float, float]]:
    for name in MODELS:
        for fields in FIELDS:
            yield "sparse fields, 2 MFLOP", models.title(name), float(fields), _step(name, 2.0, n, fields)


def _budget(n: int) -> Iterator[tuple[str, str, float, float]]:
    for name in MODELS:
        for mflop in MFLOP:
            yield "forward MFLOP", models.title(name), mflop, _step(name, mflop, n)


def _rows(n: int) -> Iterator[tuple[str, str, float, float]]:
    """Yield the cost of loading an epoch's batches, without training."""
    clock = Clock()
    for rows in ROWS:
        with clicks(rows, 4096) as (batches, _):
            seconds = median(clock.of(lambda b=batches: [None for _ in b]) for _ in range(min(n, 3)))  # type: ignore[misc]
            yield "rows", "batches", float(rows), 1e6 * seconds / rows


def draw(frame: pl.DataFrame, path: Path) -> None:
    """Draw one panel per axis, log-log, so that a power law is a straight line."""
    with styled():
        grid = sns.relplot(
            frame.to_pandas(),
            x="size",
            y="microseconds",
            hue="case",
            col="axis",
            col_wrap=2,
            kind="line",
            marker="o",
            height=3,
            aspect=1.4,
            facet_kws={"sharex": False, "sharey": False},
        )
        grid.set(xscale="log", yscale="log")
        for axes, (_, rows) in zip(grid.axes.flat, frame.group_by("axis", maintain_order=True), strict=True):
            values = rows["microseconds"].to_list()
            axes.set_ylim(min(values) / 10, max(values) * 10)  # so that noise does not fill a panel
        grid.set_axis_labels("", "µs per example")
        grid.set_titles("{col_name}")
        grid.savefig(path, dpi=150)
        plt.close(grid.figure)
