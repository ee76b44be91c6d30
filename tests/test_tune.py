"""A study: the same whatever interrupts it, blind to the test part, honest about failures."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch

import datamodules
from benchmark import protocol as protocols
from benchmark.records import store
from benchmark.records.predictions import Labels, Logits, digest
from benchmark.records.record import Record
from benchmark.study import Event, Study, missing_trials, winner
from benchmark.training import runner
from benchmark.tuning import tuner
from benchmark.tuning.sampler import SlotSampler
from datamodules.base import DataError
from models.base import Shape
from models.mlp import MLP

PROTOCOL = {
    "name": "test",
    "datasets": ["synthetic"],
    "models": ["mlp"],
    "budgets": [0.1],
    "embedding_dim": 4,
    "training": {"batch_size": 512, "train_rows": 4096},
    "search": {
        "trials": 4,
        "dropout": [0.0, 0.2],
        "embedding_l2": [0.0, 1e-5],
        "finalists": 2,
        "retrial_seeds": [101, 102],
    },
    "final": {"seeds": [1, 2]},
}


def study(folder: Path, model: str = "mlp", **changes: Any) -> Study:
    folder.mkdir(exist_ok=True)
    protocol = protocols.validated({**PROTOCOL, **changes}, "test")
    return Study(protocol, "synthetic", model, 0.1, folder, f"sqlite:///{folder / 'study.db'}")


def timeless(found: list[Record]) -> list[dict[str, Any]]:
    return [record.timeless() for record in found]


def logloss(record: Record) -> float:
    assert record.valid is not None
    return record.valid["logloss"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """An uninterrupted study."""
    found = study(tmp_path_factory.mktemp("whole"))
    tuner.run(found)
    return found


def test_a_study_has_the_asked_trials_and_retrials_and_each_seed_once(whole: Study) -> None:
    found = whole.records()
    kinds = ["trial"] * 4 + ["retrial"] * 4 + ["final"] * 2
    assert [(r.kind, r.status) for r in found] == [(kind, "complete") for kind in kinds]
    assert [r.trial for r in found if r.kind == "trial"] == [0, 1, 2, 3]
    assert [r.seed for r in found if r.kind == "final"] == [1, 2]
    assert whole.runs_left() == 0


def test_the_winner_is_the_finalist_with_the_best_mean_over_its_retrials(whole: Study) -> None:
    found = whole.records()
    trials = sorted((r for r in found if r.kind == "trial"), key=logloss)
    retrials = [r for r in found if r.kind == "retrial"]
    assert {(r.trial, r.seed) for r in retrials} == {(t.trial, seed) for t in trials[:2] for seed in (101, 102)}
    assert all(r.test is None for r in retrials)
    means = {t.trial: sum(logloss(r) for r in retrials if r.trial == t.trial) / 2 for t in trials[:2]}
    best = winner(found, whole.protocol)
    assert best is not None and best.trial == min(means, key=lambda trial: means[trial])
    for run in [*retrials, *found[8:]]:
        of = next(t for t in trials if t.trial == run.trial)
        assert (run.config, run.optimiser) == (of.config, of.optimiser)
    assert {r.trial for r in found[8:]} == {best.trial}


def test_retrials_decide_against_the_luckier_trial_and_against_one_that_diverged(whole: Study) -> None:
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


def test_final_runs_alone_say_what_was_learnt_of_each_planted_order(whole: Study) -> None:
    for record in whole.records():
        learnt = {key for key in (record.test or record.valid or {}) if key.startswith("recovered")}
        orders = {"recovered_order_1", "recovered_order_2", "recovered_order_4"}
        assert learnt == (orders if record.kind == "final" else set())


def test_every_record_is_on_budget(whole: Study) -> None:
    for record in whole.records():
        assert record.training_flops == 3 * (record.forward_flops or 0)
        assert abs(record.training_flops / 0.1e6 - 1) <= 0.02


def test_the_same_protocol_gives_the_same_records_to_the_last_bit(whole: Study, tmp_path: Path) -> None:
    again = study(tmp_path)
    tuner.run(again)
    assert timeless(again.records()) == timeless(whole.records())


def test_a_finished_study_trains_nothing(whole: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "train", lambda *_, **__: pytest.fail("trained"))
    before = whole.records()
    tuner.run(whole)
    assert whole.records() == before


class Killed(BaseException):
    """Stands for a kill: nothing of the suite may catch it."""


@pytest.mark.parametrize("kill_at", range(10))
def test_a_killed_study_ends_as_an_uninterrupted_one(
    whole: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_at: int
) -> None:
    interrupted = study(tmp_path)
    original, calls = runner.train, []

    def dies(*args: Any, **kwargs: Any) -> Any:
        calls.append(None)
        if len(calls) == kill_at + 1:
            raise Killed
        return original(*args, **kwargs)

    monkeypatch.setattr(runner, "train", dies)
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


def test_the_records_alone_are_enough_to_go_on(whole: Study, tmp_path: Path) -> None:
    """Without the storage, as after cloning a results folder, the study is rebuilt from its records."""
    interrupted = study(tmp_path)
    for record in whole.records()[:3]:
        store.append(tmp_path, record)
    tuner.run(interrupted)
    assert timeless(interrupted.records()) == timeless(whole.records())


def test_tuning_never_reads_the_test_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Study) -> None:
    """With the encoded test part gone, every trial and retrial runs and scores as before; only the final runs miss it."""
    data = datamodules.load("synthetic")(train_rows=4096)
    copy = tmp_path / "cache" / data.folder.name
    shutil.copytree(data.folder, copy)
    shutil.rmtree(copy / "test")
    monkeypatch.setenv("WUKONG_BENCH_CACHE", str(copy.parent))
    blind = study(tmp_path / "results")
    with pytest.raises(DataError, match=r"test/sparse\.npy"):
        tuner.run(blind)
    assert timeless(blind.records()) == timeless(whole.records())[:8]


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


def broken(when: Callable[[int], bool], monkeypatch: pytest.MonkeyPatch, value: float) -> None:
    """Make the MLP's logits non-finite in the models for which `when` holds."""
    built: list[None] = []
    original, forward = MLP.__init__, MLP.forward

    def init(self: MLP, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        built.append(None)
        self.is_broken = when(len(built) - 1)  # type: ignore[assignment]

    def broken_forward(self: MLP, dense_BN: torch.Tensor, sparse_BF: torch.Tensor) -> torch.Tensor:
        logit_B = forward(self, dense_BN, sparse_BF)
        return logit_B * value if self.is_broken else logit_B

    monkeypatch.setattr(MLP, "__init__", init)
    monkeypatch.setattr(MLP, "forward", broken_forward)


def test_a_nan_loss_is_a_failed_trial_that_is_counted_and_cannot_win(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(lambda i: i in (1, 3), monkeypatch, float("nan"))
    found = study(tmp_path)
    tuner.run(found)
    trials = [r for r in found.records() if r.kind == "trial"]
    assert [r.status for r in trials] == ["complete", "failed", "complete", "failed", "complete", "complete"]
    assert trials[1].error is not None and trials[1].error.startswith("Diverged: loss is nan in step 0 of epoch 0")
    assert "learning rate" in trials[1].error and trials[1].valid is None
    best = winner(trials, found.protocol)
    assert best is not None and best.status == "complete"


def test_a_study_whose_every_trial_fails_ends_without_final_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(lambda i: True, monkeypatch, float("inf"))
    found = study(tmp_path, search={"trials": 1})
    tuner.run(found)
    assert {(r.kind, r.status) for r in found.records()} == {("trial", "failed")}
    assert missing_trials(found.records(), found.protocol) == 0 and found.runs_left() == 0


def test_a_diverging_learning_rate_is_noticed(tmp_path: Path) -> None:
    found = study(
        tmp_path, search={"trials": 1, "learning_rate": [1e30, 1e30]}, training={"batch_size": 64, "train_rows": 4096}
    )
    tuner.run(found)
    failed = [r for r in found.records() if r.status == "failed"]
    assert len(failed) >= 2 and not any(r.status == "complete" for r in found.records())
    assert all(r.error and "Diverged" in r.error for r in failed)


def test_a_draw_that_no_width_fits_is_recorded_and_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suggest = MLP.Config.suggest.__func__  # type: ignore[attr-defined]
    draws: list[None] = []

    def sometimes_too_wide(cls: Any, trial: Any, budget: Any) -> Any:
        draws.append(None)
        shapes = list(suggest(cls, trial, budget))
        yield Shape(lambda width: cls(embedding_dim=4, hidden=(100_000,))) if len(draws) == 2 else shapes[0]

    monkeypatch.setattr(MLP.Config, "suggest", classmethod(sometimes_too_wide))
    found = study(tmp_path)
    tuner.run(found)
    trials = [r for r in found.records() if r.kind == "trial"]
    assert [r.status for r in trials].count("infeasible") == 1
    assert [r.status for r in trials].count("complete") == 4


class Elsewhere:
    """A ledger on another machine: what is handed to it does not come back as files here."""

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


def test_records_and_predictions_go_through_the_ledger_alone(whole: Study, tmp_path: Path) -> None:
    ledger, here = Elsewhere(), study(tmp_path / "worker")
    tuner.run(here, ledger=ledger)
    assert timeless(ledger.kept) == timeless(whole.records())
    assert ledger.predictions == {r.seed: r.predictions for r in whole.records() if r.kind == "final"}
    assert {path.name for path in here.results.iterdir()} == {"study.db"}


def test_progress_ends_with_each_runs_record(tmp_path: Path) -> None:
    events: list[Event] = []
    found = study(tmp_path, search={"trials": 1}, final={"seeds": [1]})
    tuner.run(found, events.append)
    assert [event.finished for event in events if event.finished] == found.records()
    assert all(0 <= event.share <= 1 for event in events)


def test_a_random_search_draws_anew_in_each_slot_and_repeats_itself(tmp_path: Path) -> None:
    def draw(slot: int) -> float:
        sampler = SlotSampler("random", 3, {"x": 0.5})
        sampler.next_slot(slot)
        return optuna.create_study(sampler=sampler).ask().suggest_float("x", 0, 1)

    assert draw(0) == 0.5
    assert draw(1) == draw(1)
    assert len({draw(slot) for slot in range(10)}) == 10
