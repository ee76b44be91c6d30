"""The encoded cache: one folder for each (raw bytes, rules, format), complete or absent."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def cache_root() -> Path:
    """Where encoded data are kept: $WUKONG_BENCH_CACHE, or wukong-bench in the user's cache folder."""
    if chosen := os.environ.get("WUKONG_BENCH_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wukong-bench"


def ensure(folder: Path, build: Callable[[Path], None]) -> Path:
    """The folder, built beside its place and renamed into it unless it is there already.

    A kill leaves a temporary folder that nothing reads; of two processes that build at once, the second to finish keeps
    the first one's work.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        build(temporary)
        try:
            temporary.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder
