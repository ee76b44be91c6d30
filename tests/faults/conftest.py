"""Mark all tests of this folder as `faults`; `pytest -m faults` runs them."""

from pathlib import Path

import pytest
from commands import Truth, uninterrupted


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.faults)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """Records of the tiny protocol from an uninterrupted run."""
    return uninterrupted(tmp_path_factory.mktemp("whole"))
