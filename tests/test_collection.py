"""Which tests a run of pytest collects: those that inject faults only when they are asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FEW = "--ignore-glob=*/test_[!bd]*.py"  # a small part of the tests, among them some with faults


@pytest.mark.parametrize(
    ("arguments", "faults", "others"),
    [
        ([], False, True),
        (["-m", "not slow"], False, True),
        (["-m", "faults"], True, False),
        (["tests/test_budget.py", "tests/faults/test_disk.py"], True, True),
    ],
    ids=str,
)
def test_faults_are_injected_only_when_asked_for(arguments: list[str], faults: bool, others: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", FEW, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert ("tests/faults/" in done.stdout) is faults
    assert ("tests/test_budget.py" in done.stdout) is others
