"""Where a record comes from: source commit, versions and device; no host name, user or path."""

import platform
import re
import subprocess
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

LONGEST_ERROR = 300  # characters
CODE = ("models", "datamodules", "benchmark", "pyproject.toml")  # changes elsewhere, in results say, change no number
PACKAGES = ("wukong-bench", "torch", "lightning", "torchmetrics", "optuna", "numpy", "polars")


@cache
def provenance() -> dict[str, Any]:
    """Fields of a record that are the same for all runs of a process."""
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if (changes := _git("status", "--porcelain", "--", *CODE)) is None else bool(changes),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def device_name(device: str) -> str:
    """The card's model name, or the processor's and the vector instructions that PyTorch uses on it.

    Sums of other vectors round otherwise; $ATEN_CPU_CAPABILITY (avx2, say) chooses among those that a processor has.
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
    """The first line of an error, at most 300 characters, without home folder, folders of packages, host or user name."""
    line = text.partition("\n")[0]
    for private, name in _private().items():
        line = re.sub(rf"(?<![\w.-]){re.escape(private)}(?![\w.-])", name, line)
    return line[:LONGEST_ERROR]


@cache
def _private() -> dict[str, str]:
    """What an error must not tell, the longest first, and what stands in its place."""
    found = {
        str(Path(__file__).parents[1]): "<suite>",
        sys.prefix: "<python>",
        tempfile.gettempdir(): "<tmp>",
        str(Path.cwd()): "<folder>",
        str(Path.home()): "~",
        platform.node(): "<host>",
    }
    return {text: found[text] for text in sorted(found, key=len, reverse=True)}


def _git(*arguments: str) -> str | None:
    """What git says of the checkout whose root this package stands in; None where there is none."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)  # noqa: S603, S607
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
