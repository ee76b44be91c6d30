"""Mark all tests of this folder as `faults`: only `pytest -m faults`, or their path, runs them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Truth, uninterrupted
from postgres import Server, start_server

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.faults)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """Records of the tiny protocol from an uninterrupted run."""
    return uninterrupted(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A PostgreSQL server whose password is in the environment."""
    started = start_server()
    os.environ["PGPASSWORD"] = started.password
    yield started
    del os.environ["PGPASSWORD"]
    started.remove()
