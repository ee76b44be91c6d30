"""Trials on a share of the train rows: the first ones, in every epoch; final runs and the doubling check use all."""

from pathlib import Path

import pytest
from tiny_study import study

import datamodules
from benchmark import protocol as protocols
from benchmark.errors import ProtocolError
from benchmark.tuning import tuner


def test_trials_see_the_share_and_final_runs_all_rows(tmp_path: Path) -> None:
    search = {"blocks": 1, "trials": 1, "train_share": 0.25, "finalists": 1}
    tuned = study(tmp_path, search=search, final={"seeds": [1]})
    tuner.run(tuned)
    trial, final = tuned.records()
    assert (trial.kind, trial.examples, trial.steps) == ("trial", 1024, 2)
    assert (final.kind, final.examples, final.steps) == ("final", 4096, 8)


def test_the_share_is_the_first_rows_of_the_file() -> None:
    data = datamodules.load("synthetic")(train_rows=4096, batch_size=4096)
    (whole,) = data.train_dataloader()
    data.share = 0.25
    (part,) = data.train_dataloader()
    assert len(part[-1]) == 1024
    assert part[1].equal(whole[1][:1024]) and part[-1].equal(whole[-1][:1024])  # a batch is in file order
    assert data.fingerprint == datamodules.load("synthetic")(train_rows=4096).fingerprint


def test_all_rows_leave_the_identity_of_earlier_results_as_it_is() -> None:
    all_rows = protocols.load("frappe", {"search.train_share": 1.0})
    assert all_rows.identity() == protocols.load("frappe").identity()
    assert protocols.load("frappe", {"search.train_share": 0.5}).identity() != all_rows.identity()


@pytest.mark.parametrize("share", [0, -0.1, 1.1, "half", True])
def test_a_share_that_is_none_is_refused(share: object) -> None:
    with pytest.raises(ProtocolError, match=r"search\.train_share: .* is not allowed; use a finite number above 0"):
        protocols.load("frappe", {"search.train_share": share})
