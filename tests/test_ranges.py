"""The figure of the shared ranges shows for each value how many of its draws are among the best of their study."""

from pathlib import Path

import numpy as np
import polars as pl
from made_records import collapsed, failed, folder, make, metrics, protocol, table
from pytest import approx

from benchmark import findings
from benchmark.findings.ranges import bins, ranked, shares
from benchmark.records.record import Record
from benchmark.reports.plots.ranges import ranges

RATES = np.geomspace(1e-3, 1e-1, 8)


def planted() -> list[Record]:
    """Return two studies of 8 trials in which the better half of dropout 0.2 is best, and LogLoss grows with the rate."""
    made = []
    for model in ("mlp", "wukong"):
        trials = [r for r in make((model,), budgets=(0.1,), trials=8, seeds=()) if r.kind == "trial"]
        for i, record in enumerate(trials):
            params = {"learning_rate": float(RATES[i]), "dropout": 0.2 if i < 4 else 0.0, "normalisation": "none"}
            made.append(record.model_copy(update={"params": params, "valid": metrics(0.4 + 0.01 * i)}))
    return made


def read(path: Path, made: list[Record], **changes: object) -> findings.Findings:
    return findings.read(folder(path, made, protocol(models=["mlp", "wukong"], budgets=[0.1], **changes)))


def test_the_best_quarter_of_each_study_is_found_whatever_the_metric(tmp_path: Path) -> None:
    for metric in ("logloss", "auc"):
        made = read(tmp_path / metric, planted(), training={"monitor": metric})
        trials = ranked(made.records, "hotel", metric)
        assert len(trials) == 16
        for model in ("mlp", "wukong"):
            best = trials.filter(pl.col("model") == model)["best"].to_list()
            assert best == [True] * 2 + [False] * 6


def test_the_share_of_the_best_per_value_is_the_planted_one(tmp_path: Path) -> None:
    findings_read = read(tmp_path, planted())
    trials = ranked(findings_read.records, "hotel", "logloss")
    assert [(s.value, s.draws, s.best) for s in shares(trials, "dropout")] == [(0.0, 8, 0.0), (0.2, 8, approx(0.5))]
    rates = shares(trials, "learning_rate")
    assert rates[0].best == 1.0 and rates[-1].best == 0.0
    rows = table(findings_read.folder, "ranges").rows
    assert [(row[0].text, row[1].value, row[2].value) for row in rows if row[0].text == "dropout"] == [
        ("dropout", 0.0, 8),
        ("dropout", 0.2, 8),
    ]


def test_failed_and_collapsed_trials_count_as_draws_but_are_never_among_the_best(tmp_path: Path) -> None:
    made = planted()
    lost = [failed(r) if r.trial == 0 else collapsed(r) if r.trial == 1 else r for r in made]
    trials = ranked(read(tmp_path, lost).records, "hotel", "logloss")
    assert trials.filter(pl.col("model") == "mlp")["best"].to_list() == [False, False, True, True] + [False] * 4


def test_rates_fall_into_bins_of_equal_ratio_named_by_their_geometric_middle() -> None:
    middles = bins(pl.Series(np.geomspace(1.0, 64.0, 7)))
    assert middles.to_list() == approx(
        [2**0.5 * 2**i for i in (0, 1, 2, 3, 4, 5, 5)]
    )  # the last end joins the last bin
    assert middles.n_unique() == 6


def test_the_figure_has_a_panel_per_parameter_that_was_searched_and_is_none_without_trials(tmp_path: Path) -> None:
    figure = ranges(read(tmp_path / "some", planted()), "hotel")
    assert figure is not None
    assert [axis.get_xlabel() for axis in figure.axes] == ["learning rate", "dropout"]
    heights = [bar.get_height() for bar in figure.axes[1].patches]
    assert heights == approx([0.0, 0.5])
    finals = [r for r in make(("mlp",), budgets=(0.1,)) if r.kind == "final"]
    assert ranges(read(tmp_path / "none", finals), "hotel") is None
    same = [r.model_copy(update={"params": {"learning_rate": 1e-3, "dropout": 0.0}}) for r in planted()]
    assert ranges(read(tmp_path / "same", same), "hotel") is None
