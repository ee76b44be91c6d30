"""Which files a path means: one file, all of a folder, those of a pattern, or those that a .toml names."""

import re
from collections.abc import Mapping
from pathlib import Path

from datamodules._paths import TABLES
from datamodules.base.errors import DataError

PARTS = {"train": "train", "valid": "valid", "validation": "valid", "val": "valid", "dev": "valid", "test": "test"}
Files = dict[str, tuple[Path, ...]]  # by part; "" where the parts are yet to be made


def suffix(path: Path) -> str:
    """Return the suffix of a table's file name, or an empty string if it is none."""
    return next((kind for kind in TABLES if path.name.lower().endswith(kind)), "")


def name_of(path: Path) -> str:
    """Return the data set's name: lower-case letters, digits and '_' of the file, folder or pattern."""
    stem = path.name[: -len(suffix(path))] if suffix(path) else path.stem
    if re.search(r"[*?\[]", stem):
        stem = path.resolve().parent.name
    name = re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_")[:48]
    if not name:
        raise DataError(f"{path}: gives the data set no name; use letters or digits in the file's name")
    return name if name[0].isalpha() else f"data_{name}"


def files_at(path: Path) -> Files:
    """Return the tables at a path by part. Raises DataError if there are none, or of several kinds."""
    if re.search(r"[*?\[]", path.name):
        tables = sorted(p for p in path.parent.glob(path.name) if p.is_file() and suffix(p))
    elif path.is_dir():
        tables = sorted(p for p in path.iterdir() if p.is_file() and suffix(p))
    elif path.is_file():
        tables = [path]
    else:
        raise DataError(f"{path}: no such file or folder")
    if not tables:
        raise DataError(f"{path}: has no file ending in {', '.join(TABLES)}")
    return _by_part(tables, path)


def files_of(declared: tuple[str, ...] | Mapping[str, tuple[str, ...]], toml: Path) -> Files:
    """Return the files that a .toml names, relative to its folder; without any, those beside it of its own name.

    Raises DataError if a file does not exist or lies outside the folder.

    Args:
        declared: patterns, or patterns by part.
        toml: that names them.
    """
    if isinstance(declared, Mapping):
        return {part: _matching(patterns, toml) for part, patterns in declared.items()}
    if declared:
        return _by_part(list(_matching(declared, toml)), toml)
    own = [toml.with_name(toml.stem + kind) for kind in TABLES]
    tables = [path for path in own if path.is_file()]
    if len(tables) != 1:
        counted = f"{len(tables)} of them" if tables else "none of them"
        raise DataError(f"{toml}: files is not given and there is {counted}: {', '.join(p.name for p in own)}")
    return {"": (tables[0],)}


def _matching(patterns: tuple[str, ...], toml: Path) -> tuple[Path, ...]:
    tables: list[Path] = []
    for pattern in patterns:
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise DataError(f"{toml}: files {pattern!r} leaves the folder of the .toml; name files in it or below it")
        matches = sorted(path for path in toml.parent.glob(pattern) if path.is_file())
        if not matches:
            raise DataError(f"{toml}: files {pattern!r} matches no file in {toml.parent}")
        tables += [path for path in matches if path not in tables]
    return _one_kind(tables, toml)


def _by_part(tables: list[Path], where: Path) -> Files:
    parts = {PARTS.get(path.name[: -len(suffix(path))].lower()): path for path in tables}
    if set(parts) == {"train", "valid", "test"} and len(tables) == len(parts):
        _one_kind(tables, where)
        return {part: (parts[part],) for part in ("train", "valid", "test")}
    return {"": _one_kind(tables, where)}


def _one_kind(tables: list[Path], where: Path) -> tuple[Path, ...]:
    kinds = sorted({suffix(path).removesuffix(".gz") or path.suffix for path in tables})
    if len(kinds) > 1 or not suffix(tables[0]):
        raise DataError(f"{where}: files of kind {', '.join(kinds)}; expected one kind of {', '.join(TABLES)}")
    return tuple(tables)
