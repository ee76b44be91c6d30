"""Kills in the middle of a search that prunes: the records, decisions included, equal those of an uninterrupted run."""

from pathlib import Path
from typing import Any

import pytest
from commands import Truth, finish, kill, kill_group, output, start, truth, uninterrupted, wait_for_records, workers
from postgres import Server

PRUNING: dict[str, Any] = {
    "models": ["mlp"],
    "final": {"seeds": [1]},
    "training": {"batch_size": 512, "train_rows": 4096, "epochs": 4, "patience": 4},
    "search": {
        "blocks": 1,
        "trials": 7,
        "learning_rate": [1e-4, 1e-1],
        "dropout": [0.0, 0.5],
        "pruner": "halving",
        "prune_from": 1,
    },
}


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """Records of the tiny protocol with pruning, from an uninterrupted run."""
    records = uninterrupted(tmp_path_factory.mktemp("pruned"), **PRUNING)
    assert sum(record["status"] == "pruned" for record in records) >= 2
    return records


def killed_and_resumed(folder: Path, *arguments: str) -> Truth:
    """Kill everything after 3 records and a worker alone after 5, let it finish and return the records."""
    process = start(folder, "--jobs", "1", *arguments, **PRUNING)
    wait_for_records(process, folder / "tiny", 3)
    kill_group(process)
    process = start(folder, "--jobs", "1", *arguments, **PRUNING)
    wait_for_records(process, folder / "tiny", 5)
    kill(workers(process.pid)[0])
    output(process, timeout=900)
    return truth(folder / "tiny")


def test_kills_in_a_search_that_prunes_leave_the_records_of_an_uninterrupted_run(tmp_path: Path, pruned: Truth) -> None:
    assert killed_and_resumed(tmp_path) == pruned


def test_the_same_holds_on_postgresql(server: Server, tmp_path: Path, pruned: Truth) -> None:
    assert killed_and_resumed(tmp_path, "--storage", server.url) == pruned


def test_the_same_holds_on_a_ray_cluster(server: Server, tmp_path: Path, pruned: Truth) -> None:
    pytest.importorskip("ray", reason="needs the extra 'cluster'")
    arguments = ["--cluster", "local", "--storage", server.url]
    process = start(tmp_path, *arguments, **PRUNING)
    wait_for_records(process, tmp_path / "tiny", 3)
    kill_group(process)
    finish(tmp_path, *arguments, **PRUNING)
    assert truth(tmp_path / "tiny") == pruned


def test_workers_that_share_a_study_prune_by_the_trials_finished_so_far(server: Server, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs the extra 'cluster'")
    finish(tmp_path, "--cluster", "local", "--storage", server.url, "--share-studies", "2", **PRUNING)
    records = truth(tmp_path / "tiny")
    statuses = [record["status"] for record in records if record["kind"] == "trial"]
    assert 7 <= len([s for s in statuses if s in ("complete", "pruned")]) <= 8
    assert "complete" in statuses and "pruned" in statuses
    assert [record["status"] for record in records if record["kind"] == "final"] == ["complete"]
