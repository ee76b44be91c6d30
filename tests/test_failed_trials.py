"""Trials that fail or cannot meet the budget are recorded, do not count and cannot win."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_study import study

from benchmark.execution.status import status_lines
from benchmark.findings import Findings
from benchmark.study import missing_trials, winner
from benchmark.tuning import tuner
from models.base import Shape
from models.mlp import MLP


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


def test_a_nan_loss_gives_a_failed_trial_that_is_recorded_and_cannot_win(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(lambda i: i in (1, 3), monkeypatch, float("nan"))
    tuned = study(tmp_path)
    tuner.run(tuned)
    trials = [r for r in tuned.records() if r.kind == "trial"]
    assert [r.status for r in trials] == ["complete", "failed", "complete", "failed", "complete", "complete"]
    assert trials[1].error is not None and trials[1].error.startswith("Diverged: loss is nan in step 0 of epoch 0")
    assert "learning rate" in trials[1].error and trials[1].valid is None
    best = winner(trials, tuned.protocol)
    assert best is not None and best.status == "complete"


def test_a_trial_whose_logits_are_constant_is_collapsed_does_not_count_and_cannot_win(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(lambda i: i in (0, 2), monkeypatch, 0.0)
    tuned = study(tmp_path)
    tuner.run(tuned)
    trials = [r for r in tuned.records() if r.kind == "trial"]
    assert [r.status for r in trials].count("collapsed") == 2
    assert [r.status for r in trials][:3] == ["collapsed", "complete", "collapsed"]
    assert [r.status for r in trials].count("complete") == tuned.protocol.search.trials
    flat = trials[0]
    assert flat.valid is not None and flat.valid["auc"] == 0.5 and flat.epochs == 1
    assert flat.error == "validation AUC 0.5000: the predictions do not rank"
    best = winner(
        [r.model_copy(update={"valid": {"auc": 1.0, "logloss": 0.0}}) if r == flat else r for r in trials],
        tuned.protocol,
    )
    assert best is not None and best.status == "complete"
    assert "2 collapsed, finished" in status_lines(tuned.protocol, tmp_path)[1]
    row = Findings(tmp_path, tuned.protocol, tuned.records(), {}).summary.row(0, named=True)
    assert (row["trials"], row["collapsed"], row["trials_collapsed"], row["failed"]) == (4, 2, 2, 0)


def test_a_collapsed_final_run_is_in_no_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(lambda i: i == 1, monkeypatch, 0.0)
    tuned = study(tmp_path, search={"trials": 1})
    tuner.run(tuned)
    assert [(r.kind, r.status) for r in tuned.records()] == [
        ("trial", "complete"),
        ("final", "collapsed"),
        ("final", "complete"),
    ]
    assert tuned.runs_left() == 0
    row = Findings(tmp_path, tuned.protocol, tuned.records(), {}).summary.row(0, named=True)
    assert (row["finals"], row["finals_collapsed"]) == (1, 1)
    assert row["auc"] == pytest.approx(tuned.records()[-1].test["auc"])


@pytest.mark.slow
def test_a_study_in_which_every_trial_fails_ends_without_final_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(lambda i: True, monkeypatch, float("inf"))
    tuned = study(tmp_path, search={"trials": 1})
    tuner.run(tuned)
    assert {(r.kind, r.status) for r in tuned.records()} == {("trial", "failed")}
    assert missing_trials(tuned.records(), tuned.protocol) == 0 and tuned.runs_left() == 0


def test_a_diverging_learning_rate_gives_failed_trials(tmp_path: Path) -> None:
    tuned = study(
        tmp_path, search={"trials": 1, "learning_rate": [1e30, 1e30]}, training={"batch_size": 64, "train_rows": 4096}
    )
    tuner.run(tuned)
    failed = [r for r in tuned.records() if r.status == "failed"]
    assert len(failed) >= 2 and not any(r.status == "complete" for r in tuned.records())
    assert all(r.error and "Diverged" in r.error for r in failed)


def test_an_infeasible_draw_is_recorded_and_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suggest = MLP.Config.suggest.__func__  # type: ignore[attr-defined]
    draws: list[None] = []

    def sometimes_too_wide(cls: Any, trial: Any, budget: Any) -> Any:
        draws.append(None)
        shapes = list(suggest(cls, trial, budget))
        yield Shape(lambda width: cls(embedding_dim=4, hidden=(100_000,))) if len(draws) == 2 else shapes[0]

    monkeypatch.setattr(MLP.Config, "suggest", classmethod(sometimes_too_wide))
    tuned = study(tmp_path)
    tuner.run(tuned)
    trials = [r for r in tuned.records() if r.kind == "trial"]
    assert [r.status for r in trials].count("infeasible") == 1
    assert [r.status for r in trials].count("complete") == 4
