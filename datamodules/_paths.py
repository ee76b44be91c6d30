"""Where encoded data is kept. Imports no torch and nothing of this package: the registry and datamodules.base both need it."""

import os
from pathlib import Path

TABLES = (".parquet", ".csv", ".csv.gz", ".tsv", ".tsv.gz")  # suffixes of files that are read


def cache_root() -> Path:
    """Return the folder of encoded data: $WUKONG_BENCH_CACHE, or wukong-bench in the user's cache folder."""
    if chosen := os.environ.get("WUKONG_BENCH_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wukong-bench"


def is_path(text: str) -> bool:
    """Return whether a data set is named by the path of a user's files, and not by the name of an installed one."""
    return any(sign in text for sign in "/\\*?") or text.endswith((*TABLES, ".toml"))
