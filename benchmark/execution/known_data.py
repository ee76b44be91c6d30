"""Facts about encoded data sets, stored with sizes and times of the raw files so that a finished run need not load PyTorch.

They are stored in the cache of encoded data rather than with the results, since they contain paths of this machine.
"""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import datamodules
from benchmark.errors import RecordError, RunError
from benchmark.records import code, files


def facts(name: str, data_dir: Path | None, train_rows: int | None) -> dict[str, Any] | None:
    """Return the facts stored by `encoded`; None if there are none, or if raw files or the reader have changed since.

    Args:
        name: of the data set.
        data_dir: folder of the raw data sets; None: the default.
        train_rows: use only the first rows of the train part; None: all.
    """
    path = _file(name, data_dir, train_rows)
    if not path.exists():
        return None
    try:
        kept = files.read_json(path)
        sources, about = kept["sources"], kept["facts"]
        return about if sources == _states([Path(source) for source, *_ in sources]) else None
    except (RecordError, KeyError, TypeError, ValueError):  # damaged: they are made anew
        return None


def encoded(name: str, data_dir: Path | None, train_rows: int | None) -> dict[str, Any]:
    """Encode a data set unless it is cached, store the facts about it and return them.

    Args:
        name: of the data set.
        data_dir: folder of the raw data sets; None: the default.
        train_rows: use only the first rows of the train part; None: all.
    """
    data = datamodules.load(name)(data_dir, train_rows=train_rows)
    about = data.about
    sources = [path.resolve() for path in data.sources()]
    with suppress(RunError):  # without a writable cache the next run only starts more slowly
        files.write_json(_file(name, data_dir, train_rows), {"sources": _states(sources), "facts": about})
    return about


def _file(name: str, data_dir: Path | None, train_rows: int | None) -> Path:
    folder = str(data_dir.resolve()) if data_dir else [os.environ.get("WUKONG_BENCH_DATA"), str(Path.cwd())]
    key = [name, folder, train_rows, code.of_dataset(name), code.of_readers(), datamodules.declaration(name)]
    return datamodules.cache_root() / "facts" / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]}.json"


def _states(paths: list[Path]) -> list[list[Any]]:
    """Return path, inode, size and times of each file that exists."""
    states = [(path, path.stat()) for path in paths if path.exists()]
    return [[str(path), s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns] for path, s in states]
