"""Fixtures of the whole suite: one torch thread, and one encoded cache shared by all tests of a session.

Tests marked `slow` or `faults` run only if -m names their mark, or an argument the path of their file or folder.
"""

import gzip
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
import torch

from benchmark.records.record import Record

TESTS = Path(__file__).parent
LEFT_OUT = {"slow", "faults"}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    paths = [(config.invocation_params.dir / argument.partition("::")[0]).resolve() for argument in config.args]
    named = {path for path in paths if TESTS in path.parents}
    unasked = {mark for mark in LEFT_OUT if not re.search(rf"\b{mark}\b", config.option.markexpr)}

    def left_out(item: pytest.Item) -> bool:
        by_path = named & {item.path, *item.path.parents}
        return not by_path and bool(unasked & {mark.name for mark in item.iter_markers()})

    config.hook.pytest_deselected(items=[item for item in items if left_out(item)])
    items[:] = [item for item in items if not left_out(item)]


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setenv("WUKONG_BENCH_CACHE", os.environ.get("WUKONG_BENCH_CACHE") or str(tmp_path_factory.mktemp("cache")))
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real data, which lies next to the repository on some machines."""
    folder = Path(os.environ.get("WUKONG_BENCH_SHARED") or Path(__file__).parents[2] / "shared")
    if not (folder / "data").is_dir():
        pytest.skip(f"needs the shared data folder; no folder {folder / 'data'}")
    return folder


@pytest.fixture(scope="session")
def frappe_folder(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the local Frappe parts in RecZoo's layout."""
    folder = tmp_path_factory.mktemp("data") / "frappe_x1"
    folder.mkdir()
    names = {"train": "x1_train_negatives_redrawn", "valid": "x1_valid", "test": "x1_test"}
    for split, name in names.items():
        with (
            gzip.open(shared / "data" / "frappe" / f"{name}.csv.gz") as packed,
            (folder / f"{split}.csv").open("wb") as out,
        ):
            shutil.copyfileobj(packed, out)
    return folder


@pytest.fixture
def record() -> Record:
    """A complete trial with made-up numbers."""
    return Record(
        kind="trial",
        status="complete",
        protocol="p",
        protocol_id="id",
        dataset="d",
        data_fingerprint="f",
        model="mlp",
        budget=1.0,
        trial=0,
        seed=1,
        valid={"auc": 0.7, "logloss": 0.5},
        training_flops=1_000_000,
        forward_flops=333_333,
        dense_parameters=10,
        embedding_parameters=20,
        examples=1000,
        train_seconds=2.0,
        seconds=2.5,
    )


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let reports draw no figures, which take most of their time."""
    from benchmark.reports import plots

    monkeypatch.setattr(plots, "figures_of", lambda findings, dataset: {})
