"""A search space with fewer points than trials ends the search as soon as all have been drawn, and says so."""

import math
from dataclasses import replace

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from benchmark import protocol as protocols
from benchmark.execution.status import status_lines
from benchmark.execution.studies import studies_of
from benchmark.records import store
from benchmark.study import Event
from benchmark.tuning import storage, tuner
from benchmark.tuning.shared import tune_together
from benchmark.tuning.space import exhausted, size

FOUR_POINTS = {
    "name": "four",
    "datasets": ["hotel"],
    "models": ["lr"],
    "budgets": [0.1],
    "embedding_dim": 4,
    "training": {"train_rows": 2048},
    "search": {
        "trials": 20,
        "blocks": 1,
        "learning_rate": [0.01, 0.01],
        "embedding_l2": [0.0, 1e-5],
        "embedding_std": [0.01, 0.1],
    },
    "final": {"seeds": [1]},
}


def study(results):
    (one,) = studies_of(protocols.validated(FOUR_POINTS, "four"), results)
    return replace(one, storage=storage.storage_url(None, results))


@pytest.mark.parametrize(
    ("space", "points"),
    [
        ([], 1),
        ([CategoricalDistribution((1, 2, 3)), IntDistribution(2, 9)], 24),
        ([IntDistribution(2, 9, step=3), FloatDistribution(0.1, 0.1)], 3),
        ([FloatDistribution(0.0, 1.0, step=0.1)], 11),
        ([FloatDistribution(0.1, 0.2, log=True), CategoricalDistribution((1,))], math.inf),
    ],
)
def test_the_size_of_a_space_is_the_number_of_its_points(space, points):
    assert size(dict(enumerate(space))) == points


def test_a_search_stops_when_all_points_have_been_drawn_and_says_so(tmp_path):
    one, events = study(tmp_path), []
    tuner.run(one, events.append)
    trials = [record for record in store.read(tmp_path) if record.kind == "trial"]
    assert [record.status for record in trials].count("complete") == 4
    assert trials[-1].status == "exhausted"
    assert trials[-1].error == "the search space has no more points: all 4 have been drawn"
    assert exhausted(trials[:-2], 4) is None or trials[-2].status == "duplicate"
    assert [event.finished.status for event in events if isinstance(event, Event) and event.finished].count(
        "exhausted"
    ) == 1
    assert one.runs_left() == 0 and status_lines(one.protocol, tmp_path)[1].endswith("finished")
    before = store.read(tmp_path)
    tuner.run(one)
    assert store.read(tmp_path) == before and before[-1].kind == "final"


def test_workers_that_share_a_study_stop_too(tmp_path):
    one = study(tmp_path)
    storage.create_studies([one])
    tune_together(one, lambda event: None, one)
    trials = store.read(tmp_path)
    assert [record.status for record in trials].count("complete") == 4 and trials[-1].status == "exhausted"
