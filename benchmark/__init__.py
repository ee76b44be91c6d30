"""Compare CTR models: protocols, budgets, tuning, records, statistics, tables and figures.

The names of `__all__` are the Python interface, described in docs/api.md. They are imported when they are first used, so that
`import benchmark` stays quick: PyTorch alone takes seconds.
"""

import os
import platform
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.checks.model import check
    from benchmark.execution.run import run
    from benchmark.protocol import Protocol
    from benchmark.protocol import load as load_protocol
    from benchmark.reports.results import Results
    from benchmark.weights.reading import load_model

__all__ = ["Protocol", "Results", "check", "load_model", "load_protocol", "run"]

_DEFINED_IN = {
    "Protocol": ("benchmark.protocol", "Protocol"),
    "Results": ("benchmark.reports.results", "Results"),
    "check": ("benchmark.checks.model", "check"),
    "load_model": ("benchmark.weights.reading", "load_model"),
    "load_protocol": ("benchmark.protocol", "load"),
    "run": ("benchmark.execution.run", "run"),
}

# PyTorch's kernels sum in vectors, so rounding depends on the vector width. A common width makes records reproducible
# across x86 processors at the cost of a few percent of speed at most. PyTorch reads the variable once, at its first
# operation; records name the width that was used.
if platform.machine() in ("x86_64", "AMD64"):
    os.environ.setdefault("ATEN_CPU_CAPABILITY", "avx2")


def __getattr__(name: str) -> Any:
    """Return a name of the interface, imported at its first use."""
    if name not in _DEFINED_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, defined = _DEFINED_IN[name]
    return getattr(import_module(module), defined)


def __dir__() -> list[str]:
    """Return what completion offers."""
    return __all__
