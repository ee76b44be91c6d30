"""Where a record comes from: source commit, versions and device, but no host name, user or path."""

import platform
import re
import subprocess
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmark.records import code

LONGEST_ERROR = 300  # characters
SOURCES = (*code.OWN, "pyproject.toml")  # changes elsewhere, e.g. in results/, affect no number
PACKAGES = ("wukong-bench", *code.PACKAGES)


@cache
def provenance() -> dict[str, Any]:
    """Return the fields of a record that are the same for all runs of a process."""
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if (changes := _git("status", "--porcelain", "--", *SOURCES)) is None else bool(changes),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def device_name(device: str) -> str:
    """Return the model name of the GPU, or that of the CPU and the vector instructions that PyTorch uses on it.

    Sums round differently with other vector instructions; $ATEN_CPU_CAPABILITY (e.g. avx2) selects them.
    """
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{_processor()}, {torch.backends.cpu.get_cpu_capability()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def anonymous(text: str) -> str:
    """Return the first line of an error, without home folder, package folders or host name.

    It is cut to LONGEST_ERROR characters.
    """
    line = text.partition("\n")[0]
    for private, name in _private().items():
        line = re.sub(rf"(?<![\w.-]){re.escape(private)}(?![\w.-])", name, line)
    return line[:LONGEST_ERROR]


@cache
def _private() -> dict[str, str]:
    """Return texts that an error must not disclose and their replacements, the longest text first."""
    replacements = {
        str(code.ROOT): "<suite>",
        sys.prefix: "<python>",
        tempfile.gettempdir(): "<tmp>",
        str(Path.cwd()): "<folder>",
        str(Path.home()): "~",
        platform.node(): "<host>",
    }
    return {text: replacements[text] for text in sorted(replacements, key=len, reverse=True)}


def _git(*arguments: str) -> str | None:
    """Return git's output for the checkout that contains this package; None if there is no checkout."""
    if not (code.ROOT / ".git").exists():
        return None
    try:
        done = subprocess.run(["git", "-C", str(code.ROOT), *arguments], capture_output=True, text=True, check=True)  # noqa: S603, S607
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
