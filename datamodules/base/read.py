"""Finding raw files, with errors that say what to do."""

import os
from pathlib import Path

from datamodules.base.errors import DataError


def data_root(data_dir: Path | None) -> Path:
    """Where raw data sets are looked for: the given folder, $WUKONG_BENCH_DATA, or data."""
    return data_dir or Path(os.environ.get("WUKONG_BENCH_DATA", "data"))


def find_files(dataset: str, names: tuple[str, ...], data_dir: Path | None, how_to_get: str) -> list[Path]:
    """The named files in the data folder or its subfolder of the data set's name.

    A file may be gzip'ed and then ends in .gz. Raises DataError saying where it looked and how to get them.
    """
    root = data_root(data_dir)
    folders = [root, root / dataset]
    for folder in folders:
        found = [next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None) for name in names]
        whole = [path for path in found if path is not None]
        if len(whole) == len(names):
            return whole
    looked = " and ".join(str(folder) for folder in folders)
    raise DataError(
        f"{dataset}: no folder with {', '.join(names)}; looked in {looked}. {how_to_get}, put its files there, or say "
        "where they are with --data FOLDER or WUKONG_BENCH_DATA"
    )
