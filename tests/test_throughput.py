"""Throughput is measured by a command of its own, and only what it measured is shown."""

import json
import time

import pytest
import torch
from made_records import folder, make, protocol, table, timed
from typer.testing import CliRunner

import datamodules
import models
from benchmark import findings
from benchmark.budget import default_config
from benchmark.cli.main import app
from benchmark.errors import RecordError, RunError
from benchmark.records.merge import merge
from benchmark.records.throughput import Throughput
from benchmark.reports import page, plots, tables
from benchmark.reports.write import write_report
from benchmark.speed.quiet import Load, Moment
from benchmark.speed.timing import INFERENCE_ROWS
from benchmark.speed.winners import contests
from benchmark.study import Study
from benchmark.training.inputs import budget_of
from benchmark.training.loop import train
from models.base import Optimiser, Predictions
from models.mlp import MLP

HINT = "Throughput is not measured; run `wukong-bench time NAME`."
MACHINE = "Made CPU, AVX2, one thread, 2026-02-03"
SPEEDS = {"mlp": 200_000.0, "dlrm": 100_000.0, "dcnv2": 50_000.0, "wukong": 25_000.0}
WAIT = 0.02  # seconds; a step or prediction of the planted model takes a few milliseconds


class Slow(MLP):
    """An MLP that waits in every step and prediction."""

    def forward(self, *batch):
        time.sleep(WAIT)
        return super().forward(*batch)


@pytest.fixture
def slow(monkeypatch):
    """Install a model `slow`."""
    known, load = models.known, models.load
    monkeypatch.setattr(models, "known", lambda name: name == "slow" or known(name))
    monkeypatch.setattr(models, "load", lambda name: Slow if name == "slow" else load(name))


def finished(path, *names, **changes):
    """Return a folder of finished studies of MLPs under these names, on 4,096 rows of synthetic data."""
    training = {"batch_size": 512, "train_rows": 4096}
    made_with = protocol(datasets=["synthetic"], budgets=[0.1], search={"trials": 1, "blocks": 1}, training=training)
    data = datamodules.load("synthetic")(train_rows=4096)
    budget = budget_of(Study(made_with, "synthetic", "mlp", 0.1, path, ""), data.about)
    fixed = {
        "dataset": "synthetic",
        "data_fingerprint": data.fingerprint,
        "protocol_id": made_with.identity(),
        "config": default_config(MLP.Config, budget).model_dump(mode="json"),
        "optimiser": Optimiser().model_dump(mode="json"),
    }
    made = make(names, budgets=(0.1,), seeds=(1,), trials=1, **{**fixed, **changes})
    return folder(path, made, made_with)


def ready(path):
    """Return the only contest of a folder, and what is left out."""
    (contest,), left_out = contests(path, findings.read(path).protocol, None, "cpu")
    return contest, left_out


def test_a_model_that_waits_is_measured_slower_and_its_machine_as_not_quiet(tmp_path, slow):
    contest, left_out = ready(finished(tmp_path, "mlp", "slow"))
    measured, load = contest.measured(2, 2)
    fast, waits = measured.speeds
    assert (fast.model, waits.model, left_out) == ("mlp", "slow", [])
    assert waits.examples_per_second < 512 / WAIT and waits.examples_per_second < fast.examples_per_second / 2
    for speed in measured.speeds:
        assert speed.lowest <= speed.examples_per_second <= speed.highest
    for rows in INFERENCE_ROWS:
        assert waits.milliseconds[rows] >= 1e3 * WAIT and waits.milliseconds[rows] > 2 * fast.milliseconds[rows]
    assert load.share < 0.95 and not load.quiet and not measured.quiet  # the process waited for most of the time


def test_the_time_of_a_step_has_its_loader(tmp_path, monkeypatch):
    contest, _ = ready(finished(tmp_path, "mlp"))
    whole = contest.data.train_dataloader

    def waiting():
        batches = whole()
        batches.on_batch = lambda: time.sleep(WAIT)
        return batches

    monkeypatch.setattr(contest.data, "train_dataloader", waiting)
    (speed,) = contest.measured(1, 3)[0].speeds
    assert speed.examples_per_second <= 512 / WAIT and speed.milliseconds[512] < 1e3 * WAIT


def test_examples_are_counted_where_an_epoch_ends_in_a_smaller_batch(tmp_path):
    contest, _ = ready(finished(tmp_path, "mlp"))
    contest.data.batch_size = 3000  # of 4,096 rows
    model, batches = contest._ready(contest.runs[0], 4)
    assert contest._train(model, batches, 4) == 2 * 4096


def test_the_steps_that_are_timed_are_those_of_the_training(tmp_path):
    optimiser = Optimiser(learning_rate=0.02, embedding_l2=1e-4)
    contest, _ = ready(finished(tmp_path, "mlp", optimiser=optimiser.model_dump(mode="json")))
    (run,), training = contest.runs, contest.protocol.training
    trained = train(MLP, MLP.Config(**run.config), optimiser, contest.data, training, seed=run.seed, test=False)
    model, batches = contest._ready(run, 4)
    contest._train(model, batches, trained.steps)
    predictions = Predictions()
    with torch.inference_mode():
        for dense_BN, sparse_BF, label_B in contest.data.val_dataloader():
            predictions.update(model.eval()(dense_BN, sparse_BF), label_B)
    assert predictions.compute() == trained.valid


def test_the_first_finished_block_is_timed_by_its_winner(tmp_path):
    path = finished(tmp_path, "mlp")
    records = path / "records/synthetic/mlp.jsonl"
    first, final = map(json.loads, records.read_text().splitlines())
    trials = [
        {**first, "block": block, "trial": trial, "valid": {"auc": 0.7, "logloss": 0.5 - 0.1 * trial}}
        for block in (1, 2)
        for trial in (0, 1)
    ]
    finals = [
        {**final, "block": 1, "trial": 0},
        {**final, "block": 2, "trial": 1},
    ]  # that of block 1 is not its winner's
    records.write_text("".join(json.dumps(line) + "\n" for line in [*trials, *finals]))
    (run,) = ready(path)[0].runs
    assert (run.kind, run.block, run.trial) == ("final", 2, 1)


def test_models_that_are_not_installed_are_named_and_the_others_timed(tmp_path, without_figures):
    path = finished(tmp_path / "made", "mlp", "foreign")
    done = CliRunner().invoke(app, ["time", str(path), "--rounds", "1", "--steps", "1"])
    assert done.exit_code == 0, done.output
    output = " ".join(done.output.split())
    assert "left out: synthetic/foreign/0.1: no model 'foreign' is installed here" in output
    assert "1 winner, 1 rounds of 1 steps on" in output and "about" in output and "round 1 of 1 done" in output
    measured = Throughput.read(path / "throughput" / "synthetic.json")
    assert [speed.model for speed in measured.speeds] == ["mlp"] and measured.threads == 1
    shown = next(made for made in tables.tables_of(findings.read(path), "synthetic") if made.name == "throughput")
    assert [row[1].text for row in shown.rows] == ["MLP"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"config": {"widths": [3]}}, "its configuration is none of the model installed here"),
        ({"data_fingerprint": "other"}, "the data here have another fingerprint"),
        ({"seeds": ()}, "no block is finished"),
    ],
)
def test_a_folder_of_which_nothing_can_be_timed_says_why(tmp_path, changes, reason):
    seeds = changes.pop("seeds", None)
    path = finished(tmp_path, "mlp", **changes)
    if seeds is not None:
        records = path / "records/synthetic/mlp.jsonl"
        records.write_text(records.read_text().splitlines()[0] + "\n")
    with pytest.raises(RunError, match=rf"nothing in .* can be timed here: synthetic.*{reason}"):
        contests(path, findings.read(path).protocol, None, "cpu")


@pytest.mark.parametrize(
    ("own", "everyone", "quiet"),
    [(9.9, 10.4, True), (9.0, 9.0, False), (9.9, 14.9, False), (9.9, None, True), (9.0, None, False), (9.9, 0.0, True)],
)
def test_a_machine_is_quiet_if_the_measurement_had_its_core_and_others_hardly_ran(own, everyone, quiet):
    before, after = Moment(100.0, 5.0, 0.0 if everyone is not None else None), Moment(110.0, 5.0 + own, everyone)
    load = Load.between(before, after)
    assert load.share == pytest.approx(own / 10) and load.quiet is quiet
    assert load.other_cores is None if everyone is None else load.other_cores >= 0


def test_a_measurement_comes_back_from_its_file(tmp_path):
    file = timed(tmp_path, SPEEDS)
    measured = Throughput.read(file)
    assert measured.write(tmp_path / "again").read_bytes() == file.read_bytes()
    assert Throughput.read(tmp_path / "again/throughput/hotel.json") == measured
    assert measured.machine == MACHINE
    assert measured.model_copy(update={"quiet": False}).machine == f"{MACHINE}, not a quiet machine"


@pytest.mark.parametrize("damage", ["", "[]", '{"dataset": "hotel"}', "speed", "private"])
def test_a_damaged_file_is_one_line(tmp_path, damage):
    path = folder(tmp_path, make())
    file = timed(path, SPEEDS)
    content = json.loads(file.read_text())
    if damage == "speed":
        content["speeds"][0]["examples_per_second"] = -1
    if damage == "private":
        content["host"] = "mine"
    file.write_text(json.dumps(content) if damage in ("speed", "private") else damage)
    with pytest.raises(RecordError, match=r"\A.*throughput/hotel\.json: damaged \(.*\); .*\Z"):
        findings.read(path)


def cells(path, column):
    shown = table(path)
    place = [each.name for each in shown.columns].index(column)
    return {(row[0].text, row[1].text): row[place].text for row in shown.rows}


def test_without_a_measurement_tables_have_dashes_and_say_how_to_measure(tmp_path):
    path = folder(tmp_path, make())
    contents = findings.read(path)
    assert set(cells(path, "examples/s").values()) == {"—"} and HINT in table(path).legend
    assert "throughput" not in {made.name for made in tables.tables_of(contents, "hotel")}
    figures = plots.figures_of(contents, "hotel")
    assert "time_against_flops" not in figures
    assert [len(figures[name].axes) for name in ("pareto", "axes_of_compute")] == [1, 2]
    text = page.render(contents)
    assert 'value="seconds"' not in text and HINT in text


def test_measured_figures_are_shown_with_their_machine_wherever_there_are_times(tmp_path):
    path = folder(tmp_path, make())
    timed(path, {name: speed for name, speed in SPEEDS.items() if name != "dlrm"})
    contents = findings.read(path)
    shown = cells(path, "examples/s")
    assert {shown[budget, "Wukong"] for budget in ("0.1", "0.4", "1.6")} == {"25 k"} and shown["0.1", "DLRM"] == "—"
    throughput = table(path, "throughput")
    assert [cell.text for cell in throughput.rows[0]] == [
        "0.1",
        "MLP",
        "200 k",
        "180 k",
        "220 k",
        "0.25",
        "0.64",
        "5.12",
    ]
    assert [column.name for column in throughput.columns][-3:] == ["ms for 1", "ms for 512", "ms for 4,096"]
    for legend in (throughput.legend, table(path).legend):
        assert f"Throughput is measured on {MACHINE}." in legend and HINT not in legend
    figures = plots.figures_of(contents, "hotel")
    for name, which in (("pareto", "xlabel"), ("axes_of_compute", "xlabel"), ("time_against_flops", "ylabel")):
        label = figures[name].axes[-1].properties()[which]
        assert label.startswith("training time per example") and MACHINE in " ".join(label.split())
    drawn = {line.get_xdata()[0] for line in figures["pareto"].axes[1].lines[:3]}
    assert drawn == {1 / 200_000, 1 / 50_000, 1 / 25_000}
    text = page.render(contents)
    assert 'value="seconds"' in text and f"measured on {MACHINE}" in text


def test_times_in_records_change_no_table_and_no_figure(tmp_path):
    made = make()
    other = [r.model_copy(update={"train_seconds": 1e6, "seconds": 2e6}) for r in made]
    first, second = (findings.read(folder(tmp_path / name, own)) for name, own in (("a", made), ("b", other)))
    timed(tmp_path / "a", SPEEDS)
    timed(tmp_path / "b", SPEEDS)
    assert first.summary.equals(second.summary)
    assert tables.tables_of(first, "hotel") == tables.tables_of(second, "hotel")
    assert page.render(first) == page.render(second)


def test_the_speed_of_a_winner_that_changed_since_is_not_shown(tmp_path):
    made = [r.model_copy(update={"trial": 3}) if r.kind == "final" and r.model == "mlp" else r for r in make()]
    path = folder(tmp_path, made)
    timed(path, SPEEDS)
    shown = cells(path, "examples/s")
    assert shown["0.1", "MLP"] == "—" and shown["0.1", "DLRM"] == "100 k"


def test_a_new_measurement_changes_the_report(tmp_path, without_figures):
    path = folder(tmp_path, make())
    write_report(path)
    timed(path, SPEEDS)
    write_report(path)
    assert "25 k" in (path / "tables/hotel_throughput.md").read_text()


def test_a_merge_brings_a_measurement_only_where_there_is_none(tmp_path):
    source, target = folder(tmp_path / "source", make(), facts={"fingerprint": "f00d"}), tmp_path / "target"
    timed(source, SPEEDS)
    merge(target, [source])
    assert findings.read(target).measured_on("hotel") == MACHINE
    timed(source, SPEEDS, device="Another")
    merge(target, [source])
    assert findings.read(target).measured_on("hotel") == MACHINE
