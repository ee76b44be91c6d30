"""A last batch that batch norm cannot train on joins the batch before it, for all models and on any number of devices."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmark import protocol as protocols
from benchmark.errors import ProtocolError, RunError
from benchmark.execution.planning.room import bytes_of, check_room, default_model
from benchmark.execution.studies import facts, studies_of
from benchmark.records import store
from benchmark.tuning import tuner
from datamodules.base import Batches

ONE_LEFT = {
    "name": "one_left",
    "datasets": ["hotel"],
    "models": ["finalnet"],
    "budgets": [0.1],
    "embedding_dim": 8,
    "training": {"batch_size": 256, "train_rows": 513},
    "search": {"trials": 2, "blocks": 1, "sampler": "random", "normalisation": ["batch"]},
    "final": {"seeds": [1]},
}


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.integers(1, 40), size=st.integers(1, 12), least=st.integers(1, 8), seed=st.sampled_from([None, 3]))
def test_every_row_comes_once_and_no_batch_is_too_small(
    tmp_path: Path, rows: int, size: int, least: int, seed: int | None
) -> None:
    for name, array in {
        "dense": np.zeros((rows, 0)),
        "sparse": np.arange(rows)[:, None],
        "label": np.zeros(rows),
    }.items():
        np.save(tmp_path / f"{name}.npy", array)
    batches = Batches(tmp_path, size, seed=seed, least=least)
    sizes = [len(batch[1]) for batch in batches]
    assert sorted(torch.cat([batch[1] for batch in batches]).flatten().tolist()) == list(range(rows))
    assert len(sizes) == len(batches)
    assert set(sizes[:-1]) <= {size}
    assert len(sizes) == 1 or min(sizes) >= min(least, size)
    assert max(sizes) < size + least


def test_batch_norm_trains_when_one_row_is_left_over(tmp_path: Path) -> None:
    protocol = protocols.validated(ONE_LEFT, "one_left")
    for study in studies_of(protocol, tmp_path, f"sqlite:///{tmp_path / 'study.db'}"):
        tuner.run(study)
    records = store.read(tmp_path)
    assert [(record.status, record.error) for record in records] == [("complete", None)] * len(records)
    assert {record.steps for record in records} == {2}  # batches of 256 and 257 rows


def test_batch_norm_on_single_rows_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    single = {**ONE_LEFT, "training": {"batch_size": 1}}
    with pytest.raises(
        ProtocolError, match="a single row cannot be normalised over its batch; use a batch_size from 2 on"
    ):
        protocols.validated(single, "single")
    protocol = protocols.validated({**single, "models": ["wukong.fuxictr"], "search": {"trials": 1}}, "single")
    about = facts(protocol, None)
    with pytest.raises(
        RunError, match=r"batch norm needs batches of at least 2 rows on 1 devices; training.batch_size is 1"
    ):
        check_room(studies_of(protocol, tmp_path), about, 1)


def test_parameters_that_cannot_fit_are_refused_with_the_bytes_needed_and_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = protocols.load("quickstart", {"datasets": ["hotel"], "budgets": [1e5], "models": ["mlp"]})
    about = facts(protocol, None)
    with pytest.raises(RunError, match=r"hotel/mlp/100000: needs 26\d(,\d{3}){3} bytes .* cpu has \d+(,\d{3})+"):
        check_room(studies_of(protocol, tmp_path), about, 1)
    small = studies_of(
        protocols.load("quickstart", {"datasets": ["hotel"], "budgets": [0.1], "models": ["mlp", "dlrm"]}), tmp_path
    )
    check_room(small, about, 2)
    needed = [bytes_of(default_model(study, about["hotel"]), study) for study in small[:2]]
    monkeypatch.setattr("benchmark.execution.planning.room.memory", lambda device: max(needed))
    check_room(small, about, 1)
    with pytest.raises(RunError, match=r"hotel/.* at the same time need .* use a smaller --jobs or --per-gpu than 2"):
        check_room(small, about, 2)
