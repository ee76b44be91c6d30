"""Finds raw files; errors say where it looked and how to get them."""

import os
from pathlib import Path

from datamodules.base.errors import DataError


def data_root(data_dir: Path | None) -> Path:
    """Return the folder of the raw data sets: the given one, $WUKONG_BENCH_DATA, or data."""
    return data_dir or Path(os.environ.get("WUKONG_BENCH_DATA", "data"))


def find_files(dataset: str, names: tuple[str, ...], data_dir: Path | None, how_to_get: str) -> list[Path]:
    """Return the named files from the data folder or its subfolder named after the data set.

    A file may be gzipped, with .gz appended to its name. Raises DataError saying where it looked and how to get the files.

    Args:
        dataset: Name of the data set and of the subfolder.
        names: File names; all must be in one folder.
        data_dir: The data folder; None uses $WUKONG_BENCH_DATA or data.
        how_to_get: Start of a sentence that says where to get the files, without a full stop.
    """
    root = data_root(data_dir)
    folders = [root, root / dataset]
    for folder in folders:
        candidates = [next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None) for name in names]
        paths = [path for path in candidates if path is not None]
        if len(paths) == len(names):
            return paths
    searched = " and ".join(str(folder) for folder in folders)
    raise DataError(
        f"{dataset}: no folder with {', '.join(names)}; looked in {searched}. {how_to_get} and put the files there, "
        "or name their folder with --data FOLDER or WUKONG_BENCH_DATA"
    )
