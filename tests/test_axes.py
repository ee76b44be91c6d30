"""Axes of compute: of a final run, of the whole search, and measured time, in summary, table, figure, page and export."""

import json
import re

import polars as pl
import pytest
from browser import ABSENT, DOWN, Browser
from made_records import collapsed, doubled, failed, folder, make, table, timed

from benchmark import findings
from benchmark.records import files
from benchmark.records.record import Record
from benchmark.reports import export, page, plots
from benchmark.reports.plots.axes import AXES

COSTS = ("run_compute", "search_compute")


def pruned(record: Record, examples: int) -> Record:
    """Return the trial as its pruner would have left it after this many examples."""
    changes = {"status": "pruned", "error": "ended after epoch 1 of 2", "epochs": 1, "history": record.history[:1]}
    return record.model_copy(update={**changes, "examples": examples})


def _planted(record: Record) -> Record:
    match record.block, record.kind, record.trial, record.seed:
        case 1, "trial", 1, _:
            record = pruned(record, 50_000)
        case 1, "trial", 2, _:
            record = collapsed(record)
        case 1, "trial", 3, _:
            record = failed(record).model_copy(update={"examples": 30_000})
        case 2, "trial", 3, _:
            record = failed(record).model_copy(update={"examples": None})
        case 1, "final", _, 1:
            record = record.model_copy(update={"examples": 100_000})
        case 2, "final", _, _:
            record = record.model_copy(update={"examples": 300_000})
    return record


def planted() -> list[Record]:
    """Return two blocks of one study at 300,000 FLOP per example, with every kind of run.

    Block 1 trains (200 + 50 + 200 + 30) k examples in trials, 200 k in a retrial and 100 k + 200 k in final runs: 980 k.
    Block 2 trains 3 x 200 k examples in trials and 2 x 300 k in final runs: 1,200 k.
    """
    made = [
        _planted(record)
        for record in make(("mlp",), budgets=(0.3,), seeds=(1, 2), trials=4, blocks=2, training_flops=300_000)
    ]
    retrial = made[0].model_copy(update={"kind": "retrial", "seed": 101})
    draw = {"status": "infeasible", "error": "too deep", "examples": None, "training_flops": None, "valid": None}
    return [*made, retrial, made[0].model_copy(update={"trial": 4, **draw}), *doubled(made)]


def test_the_numbers_are_those_of_hand_arithmetic(tmp_path):
    row = findings.read(folder(tmp_path, planted())).summary.row(0, named=True)
    assert row["run_compute"] == 300_000 * (100_000 + 200_000 + 300_000 + 300_000) / 4
    assert row["search_compute"] == 300_000 * (980_000 + 1_200_000) / 2


def test_unknown_numbers_stay_unknown(tmp_path):
    made = [r.model_copy(update={"examples": None}) for r in planted()]
    path = folder(tmp_path, made)
    row = findings.read(path).summary.row(0, named=True)
    assert [row[name] for name in COSTS] == [None] * 2
    assert "axes_of_compute" not in plots.figures_of(findings.read(path), "hotel")
    lost = [r.model_copy(update={"examples": None}) if r.status == "pruned" else r for r in planted()]
    row = findings.read(folder(tmp_path, lost)).summary.row(0, named=True)
    assert row["search_compute"] is None and row["run_compute"] == 300_000 * 225_000


def test_a_study_without_final_runs_has_the_compute_of_its_search_alone(tmp_path):
    row = findings.read(folder(tmp_path, make(("mlp",), budgets=(0.3,), seeds=(), trials=4))).summary.row(0, named=True)
    assert [row[name] for name in COSTS] == [None, 300_000 * 4 * 200_000]


def test_table_and_export_hold_the_numbers(tmp_path):
    path = folder(tmp_path, planted())
    shown = table(path)
    cells = dict(zip((column.name for column in shown.columns), shown.rows[0], strict=True))
    texts = [cells[name].text for name in ("run FLOP", "search FLOP")]
    assert texts == ["67.5 G", "327 G"]
    export.write(findings.read(path), "parquet", tmp_path / "out")
    summary = pl.read_parquet(tmp_path / "out" / "summary.parquet")
    assert summary.select(COSTS).row(0) == (300_000 * 225_000, 300_000 * 1_090_000)
    runs = pl.read_parquet(tmp_path / "out" / "runs.parquet").filter(pl.col("status") == "pruned")
    assert runs["examples"].item() == 50_000 and runs["compute"].item() == 300_000 * 50_000


def drawn(axis) -> set[tuple[float, float]]:
    """Return the points on a panel."""
    return {(x, y) for container in axis.containers for x, y in container[0].get_xydata().tolist()}


def test_the_figure_draws_each_study_once_against_each_cost(tmp_path):
    path = folder(tmp_path, make())
    timed(path, {"mlp": 4e4, "dcnv2": 2e4, "wukong": 1e4})
    contents = findings.read(path)
    figure = plots.figures_of(contents, "hotel")["axes_of_compute"]
    measured = contents.rows("hotel").with_columns(seconds=1 / pl.col("examples_per_second"))
    for axis, (name, height) in zip(figure.axes, [*dict.fromkeys(AXES, 12).items(), ("seconds", 9)], strict=True):
        rows = measured.drop_nulls(name)
        assert rows.height == height
        assert drawn(axis) == set(rows.select(name, contents.metric).iter_rows())
    units = [axis.get_xlabel().partition("\n")[0].rpartition(", ")[2] for axis in figure.axes]
    assert units == ["FLOP", "FLOP", "s"]


def test_a_model_without_flops_is_drawn_against_time_alone(tmp_path):
    made = [r.model_copy(update={"training_flops": 0}) if r.model == "mlp" else r for r in make()]
    path = folder(tmp_path, made)
    timed(path, dict.fromkeys(("mlp", "dlrm", "dcnv2", "wukong"), 1e4))
    figure = plots.figures_of(findings.read(path), "hotel")["axes_of_compute"]
    assert [len(drawn(axis)) for axis in figure.axes] == [9, 9, 12]


@pytest.fixture
def report(tmp_path):
    file = folder(tmp_path, [*planted(), *make(("dlrm",), budgets=(0.3,), examples=None)]) / "report.html"
    timed(tmp_path, {"dlrm": 1e4}, budgets=(0.3,))
    files.write_text(file, page.render(findings.read(tmp_path)))
    return file


def test_the_page_holds_the_numbers_and_the_choice(report):
    text = report.read_text()
    (data,) = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
    points = {point["model"]: point for point in data["points"]}
    assert [points["mlp"][name] for name in COSTS] == [300_000 * 225_000, 300_000 * 1_090_000]
    assert [points["dlrm"][name] for name in COSTS[:2]] == [None, None]
    choices = re.search(r'<select class="cost" autocomplete="off">(.*?)</select>', text, re.DOTALL)[1]
    names = re.findall(r'value="(\w+)"', choices)
    assert names[0] == "flops" and {*COSTS} < {*names} and "selected" not in choices
    assert (points["mlp"]["seconds"], points["dlrm"]["seconds"]) == (None, 1e-4)
    assert "Throughput is measured on Made CPU, AVX2, one thread, 2026-02-03." in text


@pytest.mark.skipif(ABSENT is not None, reason=str(ABSENT))
@pytest.mark.parametrize("width", [1280, 360])
def test_the_axis_is_chosen_by_keyboard_and_unknown_points_are_not_drawn(report, width):
    shown = (
        "return [document.querySelector('.cost').value, document.querySelectorAll('.plot .point').length,"
        "[...document.querySelectorAll('.plot text')].at(-2).textContent, document.querySelector('.plot svg').ariaLabel]"
    )
    with Browser(width) as browser:
        browser.open(report)
        assert browser.run(shown)[:2] == ["flops", 2]
        browser.run("document.querySelector('.cost').focus()")
        browser.press(DOWN)
        cost, points, label, name = browser.run(shown)
        assert (cost, points, label) == ("run_compute", 1, "training FLOP of a final run") and label in name
        told = browser.run("return document.querySelector('.plot .point').ariaLabel")
        assert told.endswith("training FLOP of a final run 67.5 G")
        browser.press(DOWN, DOWN)
        assert browser.run(shown)[:3] == ["seconds", 1, "training seconds per example"]
        browser.run("document.querySelector('.plot .point').focus()")
        assert "100 µs per example" in browser.run("return document.querySelector('.tip').innerText")
        assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth")
        browser.open(report)
        assert browser.run(shown)[0] == "flops"
        assert browser.errors() == []
