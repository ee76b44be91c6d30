"""The replay takes the decisions of training, finds a planted winner, and sets pruning beside fewer trials at equal cost."""

from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from made_records import folder, make, protocol
from typer.testing import CliRunner

from benchmark.checks import replay
from benchmark.cli.main import app
from benchmark.errors import RunError
from benchmark.protocol import Protocol
from benchmark.records.record import Record
from benchmark.statistics.search import expected_best_of

EPOCHS = 8
TRAINING = {"epochs": EPOCHS, "monitor": "auc"}


def with_curves(curves: list[list[float]], model: str = "mlp") -> list[Record]:
    """Return a trial for each curve of validation AUC."""
    trials = [r for r in make([model], budgets=[0.1], trials=len(curves)) if r.kind == "trial"]
    return [
        record.model_copy(
            update={
                "history": tuple({"train_loss": 0.5, "auc": value, "logloss": 1 - value} for value in curve),
                "valid": {"auc": max(curve), "logloss": 1 - max(curve)},
                "epochs": len(curve),
            }
        )
        for record, curve in zip(trials, curves, strict=True)
    ]


def rising(end: float) -> list[float]:
    """Return a curve that rises to its end; curves with other ends never cross it."""
    return [end - 0.1 / epoch for epoch in range(1, EPOCHS + 1)]


def made(path: Path, curves: list[list[float]], **search: Any) -> tuple[Path, Protocol]:
    """Write a results folder with these curves and return it with its protocol."""
    used = protocol(training=TRAINING, models=["mlp"], search={"trials": len(curves), "blocks": 1, **search})
    return folder(path, with_curves(curves), used), used


@pytest.mark.parametrize("lower_is_better", [True, False])
def test_the_expected_best_of_a_subset_is_the_mean_over_all_subsets(lower_is_better: bool) -> None:
    scores = np.random.default_rng(0).random(7)
    choose = min if lower_is_better else max
    exact = [fmean(choose(subset) for subset in combinations(scores, n)) for n in range(1, 8)]
    assert [expected_best_of(scores, n, lower_is_better) for n in range(1, 8)] == pytest.approx(exact)
    assert expected_best_of(scores, 2.25, lower_is_better) == pytest.approx(0.75 * exact[1] + 0.25 * exact[2])
    for n in (0.5, 7.5):
        with pytest.raises(ValueError, match=f"cannot take {n} of 7 scores"):
            expected_best_of(scores, n)


def test_where_curves_never_cross_no_rule_loses_the_best_trial_and_all_of_them_gain(tmp_path: Path) -> None:
    path, used = made(tmp_path, [rising(end) for end in np.linspace(0.6, 0.9, 10)])
    curves = replay.whole_curves(path, used)
    rules = replay.rules(used)
    assert len(rules) == 9
    for rule in rules:
        (replayed,) = replay.replayed(curves, rule, orders=20)
        assert replayed.pruned == replayed.full == pytest.approx(0.9 - 0.1 / EPOCHS)
        assert replayed.same == 1 and replayed.cost < 1 and replayed.spread == (0, 0)
        assert replayed.pruned > replayed.equal_cost


def test_a_late_bloomer_is_lost_to_early_pruning_and_kept_by_late_pruning(tmp_path: Path) -> None:
    late = [0.5] * (EPOCHS - 2) + [0.95] * 2
    path, used = made(tmp_path, [rising(end) for end in np.linspace(0.6, 0.9, 9)] + [late])
    curves = replay.whole_curves(path, used)
    early, last = (replay.with_rule(used, pruner="halving", prune_from=first) for first in (2, EPOCHS - 1))
    (lost,), (kept,) = (list(replay.replayed(curves, rule, orders=20)) for rule in (early, last))
    assert lost.pruned < lost.full == 0.95 and lost.spread[0] < 0
    assert kept.pruned == kept.full == 0.95


def test_the_share_of_the_cost_counts_every_epoch_that_was_trained(tmp_path: Path) -> None:
    """Equal curves: percentile never prunes them. Two curves: the worse one is pruned if it comes second."""
    path, used = made(tmp_path / "equal", [rising(0.8)] * 5)
    rule = replay.with_rule(used, pruner="percentile", prune_after=1)
    assert next(replay.replayed(replay.whole_curves(path, used), rule)).cost == 1
    path, used = made(tmp_path / "two", [rising(0.8), rising(0.7)])
    rule = replay.with_rule(used, pruner="percentile", prune_after=1, prune_from=4)
    cost = next(replay.replayed(replay.whole_curves(path, used), rule, orders=400)).cost
    assert cost == pytest.approx(0.5 * 1 + 0.5 * (8 + 4) / 16, abs=0.03)


def test_blocks_of_fewer_trials_are_compared_with_the_best_of_as_many(tmp_path: Path) -> None:
    ends = np.linspace(0.6, 0.9, 10)
    path, used = made(tmp_path, [rising(end) for end in ends])
    curves = replay.whole_curves(path, used)
    few = next(replay.replayed(curves, replay.rules(used)[0], trials=4, orders=10))
    assert few.full == pytest.approx(expected_best_of(ends - 0.1 / EPOCHS, 4, lower_is_better=False))


def test_a_protocols_own_rule_is_replayed_alone(tmp_path: Path) -> None:
    used = made(tmp_path, [rising(0.8)] * 3, pruner="halving", prune_from=3)[1]
    assert [replay.named(rule) for rule in replay.rules(used)] == ["halving, from epoch 3"]


def test_pruned_or_single_trials_cannot_be_replayed(tmp_path: Path) -> None:
    path, used = made(tmp_path / "one", [rising(0.8)])
    with pytest.raises(RunError, match="no block with several complete trials of more than one epoch"):
        replay.whole_curves(path, used)
    cut = [r.model_copy(update={"status": "pruned", "error": "pruned"}) for r in with_curves([rising(0.8)] * 2)]
    with pytest.raises(RunError, match=r"hotel/mlp/0.1 block 1 trial 0 in .* was pruned"):
        replay.whole_curves(folder(tmp_path / "cut", cut, used), used)


def test_the_command_prints_a_row_per_rule_and_refuses_other_changes(tmp_path: Path) -> None:
    made(tmp_path / "made", [rising(end) for end in (0.7, 0.8, 0.9)])

    def run(*arguments: str) -> str:
        done = CliRunner(env={"COLUMNS": "200"}).invoke(
            app, ["replay", "made", "--results", str(tmp_path), "--orders", "3", *arguments]
        )
        return f"{done.output}{done.exception or ''}"

    shown = run()
    assert shown.count("halving, from epoch") == 2 * 3 and "hotel/MLP/0.1 block 1" in shown
    assert run("--set", "search.pruner=halving").count("halving, from epoch 4") == 2
    file = tmp_path / "made/protocol.toml"
    file.write_text(file.read_text().replace('"mlp"', '"mlp", "foreign"'))
    assert run() == shown  # no model need be known here
    assert "a replay changes only search.pruner" in run("--set", "training.epochs=3")
    assert "prune_from 8 leaves nothing to prune" in run(
        "--set", "search.pruner=halving", "--set", "search.prune_from=8"
    )
