"""Mark all tests of this folder as `faults`: only `pytest -m faults`, or their path, runs them."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Truth, uninterrupted
from postgres import Server, start_server

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    faults = [item for item in items if FOLDER in item.path.parents]
    for item in faults:
        item.add_marker(pytest.mark.faults)
    if faults and not asked_for(config):
        config.hook.pytest_deselected(items=faults)
        items[:] = [item for item in items if FOLDER not in item.path.parents]


def asked_for(config: pytest.Config) -> bool:
    """Return whether -m names the mark, or an argument the path of this folder or of a file in it."""
    paths = [(config.invocation_params.dir / argument.partition("::")[0]).resolve() for argument in config.args]
    by_path = any(FOLDER in (path, *path.parents) for path in paths)
    return by_path or re.search(r"\bfaults\b", config.option.markexpr) is not None


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
