"""Commands in processes of their own, as users start them."""

import os
import subprocess
import sys
from pathlib import Path

ENVIRONMENT = {"PYTHONPATH": str(Path(__file__).parents[1]), "COLUMNS": "200"}


def command(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmark", *arguments],
        cwd=folder,
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=False,
    )


def in_process(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command and, as its last line, print whether torch was imported and the CPU seconds since Python started."""
    program = (
        f"import sys, time; sys.argv[:] = {['wukong-bench', *arguments]}\nfrom benchmark.cli.main import main\n"
        "try: main()\nfinally: print('torch' in sys.modules, time.process_time())"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=False,
    )
