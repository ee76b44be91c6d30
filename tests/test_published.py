"""Published results are shown beside ours for the same data set, and only there."""

import csv

import pytest

import datamodules
from benchmark.published.facts import BARS, PAPER, comparability, facts
from benchmark.published.tables import FOLDER


def test_every_published_result_is_found_by_the_title_of_a_data_set() -> None:
    listed = {
        (fact.origin, fact.model, fact.auc)
        for name in datamodules.names()
        for fact in facts(datamodules.load(name).title)
    }
    rows = [
        (origin, row["model"], float(row["auc"]))
        for origin, name in ((PAPER, "wukong_paper_public"), (BARS, "bars_leaderboard"))
        for row in csv.DictReader((FOLDER / f"{name}.csv").open())
    ]
    assert listed == set(rows)


def test_a_changed_data_set_is_shown_beside_the_published_one_with_a_warning() -> None:
    changed = "Frappe_x1 (train negatives re-drawn)"
    assert facts(changed) == facts("Frappe_x1") != ()
    assert comparability(changed, BARS).startswith("ours is another data set (train negatives re-drawn); ")
    assert not comparability("Frappe_x1", BARS).startswith("ours")


@pytest.mark.parametrize("title", ["Frappe_x1 without cost (train negatives re-drawn)", "MovieLens-1M (rating >= 4)"])
def test_another_data_set_has_no_published_results(title: str) -> None:
    assert facts(title) == ()
