"""The measurements time what the suite does. No test asserts how fast it is."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.speed import against, parts, targets, trial
from benchmark.speed.inputs import clicks, config_at, prepared, write_clicks
from benchmark.speed.peer import difference
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


def test_a_setting_in_which_the_two_differ_is_a_row_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(against, "in_turn", lambda make, sides, setting, n: {side: [1.0] * n for side in sides})
    monkeypatch.setattr(against, "write_clicks", lambda *_: (1,))
    monkeypatch.setattr(against.Setting, "difference", lambda self, _: 1.0 if self.name == "dcnv2" else 0.0)
    section = against.of_steps(1)
    assert section.text.count("1e+00 | not compared: above 2e-04") == 2  # DCNv2 at two sizes
    assert {name.split(", ")[1].split()[0] for name in section.ratios} == {"MLP"}
    assert "not measured" in targets.reached(section.ratios).text


@pytest.mark.parametrize("embedding_l2", [0.0, 1e-2])
@pytest.mark.parametrize("name", ["mlp", "dcnv2"])
def test_fuxictr_trains_the_same_model(name: str, embedding_l2: float, tmp_path: Path) -> None:
    pytest.importorskip("fuxictr", reason="the extra `peers` has FuxiCTR")
    setting = against.Setting(name, 0.85, 32, write_clicks(tmp_path, 160, table_rows=2600), tmp_path)
    assert setting.difference(against.Side(embedding_l2=embedding_l2)) <= against.TOLERANCE


def test_a_missing_l2_is_beyond_the_tolerance(tmp_path: Path) -> None:
    pytest.importorskip("fuxictr", reason="the extra `peers` has FuxiCTR")
    setting = against.Setting("mlp", 0.85, 512, write_clicks(tmp_path, 5 * 512, table_rows=260_000), tmp_path)
    ours, _ = setting.both(against.OURS)
    _, theirs = setting.both(against.OURS_L2)
    assert difference(ours, theirs, setting.batches()) > 2 * against.TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("instructions", ["default", "avx2"])
def test_rounding_stays_within_the_tolerance_for_both_widths_of_vectors(instructions: str, tmp_path: Path) -> None:
    """The width is read once per process."""
    if instructions == "avx2" and torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        pytest.skip("this processor has no AVX2")
    pytest.importorskip("fuxictr", reason="the extra `peers` has FuxiCTR")
    code = (
        "import sys; from pathlib import Path; from benchmark.speed import against, inputs; folder = Path(sys.argv[1]);"
        "rows = inputs.write_clicks(folder, 160, table_rows=2600);"
        "print(against.Setting('mlp', 0.85, 32, rows, folder).difference(against.OURS))"
    )
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": instructions}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env=environment, capture_output=True, text=True, check=True
    )
    assert 0 <= float(done.stdout) <= against.TOLERANCE / 4, done.stdout


@pytest.mark.slow
def test_each_side_is_timed_in_its_own_process(tmp_path: Path) -> None:
    sides = {against.OURS, against.ROWWISE}
    setting = against.Setting("mlp", 0.1, 32, write_clicks(tmp_path, 24 * 32, table_rows=2600), tmp_path)
    taken = against.in_turn(against.steps, sides, setting, 2)
    assert set(taken) == sides and all(len(values) == 2 and min(values) > 0 for values in taken.values())
