"""A study gives the same records after any interruption and never uses the test part to select."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from tiny_study import study

import datamodules
from benchmark.records import store
from benchmark.records.predictions import Labels, Logits, digest
from benchmark.records.record import Record
from benchmark.study import Event, Study, winner
from benchmark.training import task
from benchmark.tuning import tuner
from benchmark.tuning.sampler import SlotSampler
from datamodules.base import DataError
from models.mlp import MLP


def timeless(records: list[Record]) -> list[dict[str, Any]]:
    return [record.timeless() for record in records]


def logloss(record: Record) -> float:
    assert record.valid is not None
    return record.valid["logloss"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """An uninterrupted study."""
    tuned = study(tmp_path_factory.mktemp("whole"))
    tuner.run(tuned)
    return tuned


def test_a_study_has_the_requested_trials_and_retrials_and_each_seed_once(whole: Study) -> None:
    records = whole.records()
    kinds = ["trial"] * 4 + ["retrial"] * 4 + ["final"] * 2
    assert [(r.kind, r.status) for r in records] == [(kind, "complete") for kind in kinds]
    assert [r.trial for r in records if r.kind == "trial"] == [0, 1, 2, 3]
    assert [r.seed for r in records if r.kind == "final"] == whole.final_seeds
    assert len(set(whole.final_seeds)) == 2
    assert whole.runs_left() == 0


def test_the_winner_is_the_finalist_with_the_best_mean_over_its_retrials(whole: Study) -> None:
    records = whole.records()
    trials = sorted((r for r in records if r.kind == "trial"), key=logloss)
    retrials = [r for r in records if r.kind == "retrial"]
    assert {(r.trial, r.seed) for r in retrials} == {
        (t.trial, seed) for t in trials[:2] for seed in whole.retrial_seeds
    }
    assert all(r.test is None for r in retrials)
    means = {t.trial: sum(logloss(r) for r in retrials if r.trial == t.trial) / 2 for t in trials[:2]}
    best = winner(records, whole.protocol)
    assert best is not None and best.trial == min(means, key=lambda trial: means[trial])
    finals = [r for r in records if r.kind == "final"]
    for run in [*retrials, *finals]:
        trial = next(t for t in trials if t.trial == run.trial)
        assert (run.config, run.optimiser) == (trial.config, trial.optimiser)
    assert {r.trial for r in finals} == {best.trial}


def test_retrials_outweigh_a_better_trial_and_rule_out_one_that_diverged(whole: Study) -> None:
    trials = sorted((r for r in whole.records() if r.kind == "trial"), key=logloss)[:2]

    def retrials(first: float | None, second: float | None) -> list[Record]:
        return [
            trial.model_copy(
                update={"kind": "retrial", "seed": seed}
                | ({"valid": {"logloss": loss}} if loss else {"status": "failed", "valid": None})
            )
            for trial, losses in zip(trials, ((first, 0.5), (second, 0.5)), strict=True)
            for seed, loss in zip((101, 102), losses, strict=True)
        ]

    assert winner([*trials, *retrials(0.5, 0.4)], whole.protocol) == trials[1]
    assert winner([*trials, *retrials(0.5, 0.5)], whole.protocol) == trials[0]
    assert winner([*trials, *retrials(None, 0.9)], whole.protocol) == trials[1]
    assert winner([*trials, *retrials(None, None)], whole.protocol) == trials[0]


def test_without_retrials_the_best_trial_wins(whole: Study) -> None:
    alone = whole.protocol.model_copy(update={"search": whole.protocol.search.model_copy(update={"finalists": 1})})
    trials = [r for r in whole.records() if r.kind == "trial"]
    assert winner(trials, alone) == min(trials, key=logloss)


def test_trial_0_is_the_models_default(whole: Study) -> None:
    first = whole.records()[0]
    assert {name: first.params[name] for name in MLP.Config.default} == MLP.Config.default
    assert first.params["learning_rate"] == 1e-3 and first.params["dropout"] == 0.0


def test_only_final_runs_report_how_much_of_each_planted_order_was_recovered(whole: Study) -> None:
    for record in whole.records():
        recovered = {key for key in (record.test or record.valid or {}) if key.startswith("recovered")}
        orders = {"recovered_order_1", "recovered_order_2", "recovered_order_4"}
        assert recovered == (orders if record.kind == "final" else set())


def test_every_record_is_on_budget(whole: Study) -> None:
    for record in whole.records():
        assert record.training_flops == 3 * (record.forward_flops or 0)
        assert abs(record.training_flops / 0.1e6 - 1) <= 0.02


def test_the_same_protocol_gives_the_same_records_bit_for_bit(whole: Study, tmp_path: Path) -> None:
    again = study(tmp_path)
    tuner.run(again)
    assert timeless(again.records()) == timeless(whole.records())


def test_a_finished_study_trains_nothing(whole: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "train", lambda *_, **__: pytest.fail("trained"))
    before = whole.records()
    tuner.run(whole)
    assert whole.records() == before


class Killed(BaseException):
    """Simulates a kill: nothing in the suite may catch it."""


@pytest.mark.parametrize("kill_at", range(10))
def test_a_killed_study_resumes_to_the_records_of_an_uninterrupted_one(
    whole: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_at: int
) -> None:
    interrupted = study(tmp_path)
    original, calls = task.train, []

    def dies(*args: Any, **kwargs: Any) -> Any:
        calls.append(None)
        if len(calls) == kill_at + 1:
            raise Killed
        return original(*args, **kwargs)

    monkeypatch.setattr(task, "train", dies)
    with pytest.raises(Killed):
        tuner.run(interrupted)
    assert len(interrupted.records()) == kill_at
    tuner.run(interrupted)
    assert timeless(interrupted.records()) == timeless(whole.records())


def test_a_kill_between_record_and_storage_loses_nothing(
    whole: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted = study(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(tuner, "tell", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            tuner.run(interrupted)
    assert len(interrupted.records()) == 1
    tuner.run(interrupted)
    assert timeless(interrupted.records()) == timeless(whole.records())


def test_the_records_alone_are_enough_to_resume(whole: Study, tmp_path: Path) -> None:
    """If the storage is missing, as after cloning a results folder, the study is rebuilt from its records."""
    interrupted = study(tmp_path)
    for record in whole.records()[:3]:
        store.append(tmp_path, record)
    tuner.run(interrupted)
    assert timeless(interrupted.records()) == timeless(whole.records())


def test_tuning_never_reads_the_test_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Study) -> None:
    """If the encoded test part is deleted, trials and retrials run and score as before; only the final runs fail."""
    data = datamodules.load("synthetic")(train_rows=4096)
    copy = tmp_path / "cache" / data.folder.name
    shutil.copytree(data.folder, copy)
    shutil.rmtree(copy / "test")
    monkeypatch.setenv("WUKONG_BENCH_CACHE", str(copy.parent))
    blind = study(tmp_path / "results")
    with pytest.raises(DataError, match=r"test/sparse\.npy"):
        tuner.run(blind)
    assert timeless(blind.records()) == timeless([record for record in whole.records() if record.kind != "final"])


def test_the_test_part_cannot_change_what_is_selected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Study
) -> None:
    data = datamodules.load("synthetic")(train_rows=4096)
    copy = tmp_path / "cache" / data.folder.name
    shutil.copytree(data.folder, copy)
    label = np.load(copy / "test" / "label.npy")
    np.save(copy / "test" / "label.npy", 1 - label)
    monkeypatch.setenv("WUKONG_BENCH_CACHE", str(copy.parent))
    other = study(tmp_path / "results")
    tuner.run(other)
    assert timeless(other.records())[:8] == timeless(whole.records())[:8]
    for mine, theirs in zip(other.records()[8:], whole.records()[8:], strict=True):
        assert mine.test and theirs.test
        assert mine.test["auc"] == pytest.approx(1 - theirs.test["auc"], abs=1e-6)


class Elsewhere:
    """A ledger on another machine: it writes no files here."""

    def __init__(self) -> None:
        self.kept: list[Record] = []
        self.predictions: dict[int, str] = {}

    def records(self) -> list[Record]:
        return list(self.kept)

    def keep(self, record: Record) -> None:
        self.kept.append(record)

    def keep_predictions(self, seed: int, logits: Logits, labels: Labels) -> str:
        self.predictions[seed] = digest(logits, labels)
        return self.predictions[seed]


def test_records_and_predictions_are_kept_only_through_the_ledger(whole: Study, tmp_path: Path) -> None:
    ledger, remote = Elsewhere(), study(tmp_path / "worker")
    tuner.run(remote, ledger=ledger)
    assert timeless(ledger.kept) == timeless(whole.records())
    assert ledger.predictions == {r.seed: r.predictions for r in whole.records() if r.kind == "final"}
    assert {path.name for path in remote.results.iterdir()} == {"study.db"}


def test_the_last_progress_event_of_each_run_has_its_record(tmp_path: Path) -> None:
    events: list[Event] = []
    tuned = study(tmp_path, search={"trials": 1}, final={"seeds": [1]})
    tuner.run(tuned, events.append)
    assert [event.finished for event in events if event.finished] == tuned.records()
    assert all(0 <= event.share <= 1 for event in events)


def test_a_random_search_draws_differently_in_each_slot_and_reproducibly(tmp_path: Path) -> None:
    def draw(slot: int) -> float:
        sampler = SlotSampler("random", (3,), {0: {"x": 0.5}})
        sampler.next_slot(slot)
        return optuna.create_study(sampler=sampler).ask().suggest_float("x", 0, 1)

    assert draw(0) == 0.5
    assert draw(1) == draw(1)
    assert len({draw(slot) for slot in range(10)}) == 10
