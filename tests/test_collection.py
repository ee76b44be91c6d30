"""Which tests a run of pytest collects: slow ones and those that inject faults only when they are asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FEW = "--ignore-glob=*/test_[!bd]*.py"  # a small part of the tests, among them some with faults


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "faults", "slow", "others"),
    [
        ([], False, False, True),
        (["tests"], False, False, True),
        (["-m", "not slow"], False, False, True),
        (["-m", "slow"], False, True, False),
        (["-m", "faults"], True, False, False),
        (["tests/test_blocks.py", "tests/test_budget.py", "tests/faults/test_disk.py"], True, True, True),
    ],
    ids=str,
)
def test_slow_tests_and_faults_run_only_when_asked_for(
    arguments: list[str], faults: bool, slow: bool, others: bool
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", FEW, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert ("tests/faults/" in done.stdout) is faults
    assert ("test_blocks_added_later" in done.stdout) is slow, done.stdout
    assert ("tests/test_budget.py" in done.stdout) is others
