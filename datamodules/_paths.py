"""Where encoded data is kept. Imports no torch and nothing of this package: the registry and datamodules.base both need it."""

import os
from pathlib import Path


def cache_root() -> Path:
    """Return the folder of encoded data: $WUKONG_BENCH_CACHE, or wukong-bench in the user's cache folder."""
    if chosen := os.environ.get("WUKONG_BENCH_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wukong-bench"
