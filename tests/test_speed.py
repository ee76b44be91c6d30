"""The measurements run: what they time is what the suite does. How fast it is, no test asserts."""

from pathlib import Path
from typing import Any

import pytest

from benchmark.speed import against, parts, targets, trial
from benchmark.speed.parts import clicks, config_at, write_clicks


@pytest.mark.parametrize("work", [trial.bare, trial.whole])
def test_a_measured_trial_trains_on_the_batches_it_is_given(work, capsys: pytest.CaptureFixture[str]) -> None:
    with clicks(64, 32, table_rows=260) as (batches, cardinalities):
        work("mlp", config_at("mlp", 0.03), trial.Given(batches, cardinalities))


def test_a_target_is_met_by_the_median_and_says_where_rounds_disagree() -> None:
    verdicts = ["met", "met, not in every round", "missed, not in every round", "missed"]
    least, most = targets.Target(2.0), targets.Target(1.05, at_most=True)
    assert [least.verdict(x) for x in ([2, 3, 4], [1, 2, 3], [1, 1.9, 5], [1, 1, 1])] == verdicts
    assert [most.verdict(x) for x in ([1, 1.05], [1, 1, 2], [2, 2, 1], [2])] == verdicts
    rows = targets.reached({"million rows/s in batches": [3.0, 1.0, 2.0]}).text.splitlines()
    assert "| million rows/s in batches | at least 1.5 | 2.00 (1.00 to 3.00) | met, not in every round |" in rows
    assert sum(row.endswith("|  | not measured |") for row in rows) == len(targets.TARGETS) - 1


def test_what_is_measured_here_has_the_names_of_the_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(what: str, cases: dict[str, Any], n: int) -> dict[str, list[Any]]:
        return {name: [(1.0, 1.0, 1.0, 1.0) if name in names else 1.0] * n for name in cases}

    names = ["mlp", "dlrm", "dcnv2", "autoint", "finalmlp", "wukong"]
    for module in (parts, trial):
        monkeypatch.setattr(module, "rounds", nothing)
    for slow in ("prepared", "peak", "bandwidth"):
        monkeypatch.setattr(parts, slow, lambda *_: 1.0)
    found = parts.of_models(names, "cpu", 1).ratios | trial.of_trials(1).ratios
    assert set(found) == {name for name in targets.TARGETS if name.startswith(("share of", "Lightning"))}


def test_what_is_measured_against_fuxictr_has_the_names_of_the_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(against, "in_turn", lambda make, sides, case, n: {side: [1.0] * n for side in sides})
    monkeypatch.setattr(against, "write_clicks", lambda *_: (1,))
    monkeypatch.setattr(against.Case, "difference", lambda *_: 0.0)
    found = against.of_steps(1).ratios | against.of_trials(1).ratios
    assert {name for name in targets.TARGETS if name.startswith("FuxiCTR")} <= set(found)


@pytest.mark.parametrize("embedding_l2", [0.0, 1e-2])
@pytest.mark.parametrize("name", ["mlp", "dcnv2"])
def test_fuxictr_trains_the_same_model(name: str, embedding_l2: float, tmp_path: Path) -> None:
    pytest.importorskip("fuxictr", reason="the extra `peers` has FuxiCTR")
    case = against.Case(name, 0.85, 32, write_clicks(tmp_path, 160, table_rows=2600), tmp_path)
    assert case.difference(against.Side(embedding_l2=embedding_l2)) <= against.TOLERANCE


def test_sides_take_turns_in_processes_of_their_own(tmp_path: Path) -> None:
    sides = {against.OURS, against.ROWWISE}
    case = against.Case("mlp", 0.1, 32, write_clicks(tmp_path, 24 * 32, table_rows=2600), tmp_path)
    taken = against.in_turn(against.steps, sides, case, 2)
    assert set(taken) == sides and all(len(values) == 2 and min(values) > 0 for values in taken.values())
