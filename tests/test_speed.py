"""The measurements time what the suite does. No test asserts how fast it is."""

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.speed import against, parts, targets, trial
from benchmark.speed.inputs import clicks, config_at, prepared, write_clicks
from models.base import Predictions


def test_the_bare_loop_and_the_whole_trial_train_the_same_model() -> None:
    config, metrics = config_at("mlp", 0.03), []
    for work in (trial.bare, trial.whole):
        with clicks(64, 32, table_rows=260) as (batches, cardinalities):
            metrics.append(work("mlp", config, trial.Given(batches, cardinalities)))
    with clicks(64, 32, table_rows=260) as (batches, cardinalities), torch.inference_mode():
        untrained, predictions = prepared("mlp", config, cardinalities).eval(), Predictions()
        for dense_BN, sparse_BF, label_B in batches:
            predictions.update(untrained(dense_BN, sparse_BF), label_B)
    bare, whole = metrics
    assert bare == whole
    assert bare["logloss"] < predictions.compute()["logloss"]


def test_a_target_is_met_by_the_median_and_disagreeing_rounds_are_reported() -> None:
    verdicts = ["met", "met, not in every round", "missed, not in every round", "missed"]
    least, most = targets.Target(2.0), targets.Target(1.05, at_most=True)
    assert [least.verdict(x) for x in ([2, 3, 4], [1, 2, 3], [1, 1.9, 5], [1, 1, 1])] == verdicts
    assert [most.verdict(x) for x in ([1, 1.05], [1, 1, 2], [2, 2, 1], [2])] == verdicts
    rows = targets.reached({"million rows/s in batches": [3.0, 1.0, 2.0]}).text.splitlines()
    assert "| million rows/s in batches | at least 1.5 | 2.00 (1.00 to 3.00) | met, not in every round |" in rows
    assert sum(row.endswith("|  | not measured |") for row in rows) == len(targets.TARGETS) - 1


def test_measured_ratios_are_named_as_the_targets_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_rounds(what: str, cases: dict[str, Any], n: int) -> dict[str, list[Any]]:
        return {name: [(1.0, 1.0, 1.0, 1.0) if name in names else 1.0] * n for name in cases}

    names = ["mlp", "dlrm", "dcnv2", "autoint", "finalmlp", "wukong"]
    for module in (parts, trial):
        monkeypatch.setattr(module, "rounds", no_rounds)
    for slow in ("prepared", "peak", "bandwidth"):
        monkeypatch.setattr(parts, slow, lambda *_: 1.0)
    ratios = parts.of_models(names, "cpu", 1).ratios | trial.of_trials(1).ratios
    assert set(ratios) == {name for name in targets.TARGETS if name.startswith(("share of", "Lightning"))}


def test_ratios_against_fuxictr_are_named_as_the_targets_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(against, "in_turn", lambda make, sides, setting, n: {side: [1.0] * n for side in sides})
    monkeypatch.setattr(against, "write_clicks", lambda *_: (1,))
    monkeypatch.setattr(against.Setting, "difference", lambda *_: 0.0)
    ratios = against.of_steps(1).ratios | against.of_trials(1).ratios
    assert {name for name in targets.TARGETS if name.startswith("FuxiCTR")} <= set(ratios)


@pytest.mark.parametrize("embedding_l2", [0.0, 1e-2])
@pytest.mark.parametrize("name", ["mlp", "dcnv2"])
def test_fuxictr_trains_the_same_model(name: str, embedding_l2: float, tmp_path: Path) -> None:
    pytest.importorskip("fuxictr", reason="the extra `peers` has FuxiCTR")
    setting = against.Setting(name, 0.85, 32, write_clicks(tmp_path, 160, table_rows=2600), tmp_path)
    assert setting.difference(against.Side(embedding_l2=embedding_l2)) <= against.TOLERANCE


def test_each_side_is_timed_in_its_own_process(tmp_path: Path) -> None:
    sides = {against.OURS, against.ROWWISE}
    setting = against.Setting("mlp", 0.1, 32, write_clicks(tmp_path, 24 * 32, table_rows=2600), tmp_path)
    taken = against.in_turn(against.steps, sides, setting, 2)
    assert set(taken) == sides and all(len(values) == 2 and min(values) > 0 for values in taken.values())
