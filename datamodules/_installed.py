"""Data sets of installed packages: entry points of the group `wukong_bench.datasets`, each the name of a module with one."""

import re
from functools import cache
from importlib.machinery import PathFinder
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

GROUP = "wukong_bench.datasets"
FOLDER = Path(__file__).parent
NAME = re.compile(r"[a-z][a-z0-9_]*")


class Installed(NamedTuple):
    """A data set of an installed package."""

    module: str
    path: Path

    def files(self) -> list[Path]:
        """Return the data set's file and the other files of its package and of the packages in that."""
        if "." not in self.module and self.path.name != "__init__.py":
            return [self.path]  # it stands among the modules of other packages
        return [self.path, *sorted(path for path in self.path.parent.rglob("*.py") if path != self.path)]


@cache
def installed() -> dict[str, Installed]:
    """Return the data sets of installed packages by name; none is imported."""
    return {point.name: source for point, source in _points() if isinstance(source, Installed)}


def ignored() -> list[str]:
    """Return a line about each entry point that is not used."""
    return [
        f"the data set {point.name!r} of the package {_package(point)} is ignored: {reason}"
        for point, reason in _points()
        if isinstance(reason, str)
    ]


@cache
def _points() -> list[tuple[EntryPoint, Installed | str]]:
    """Return each entry point with the data set that it names, or the reason why it is not used."""
    points: list[tuple[EntryPoint, Installed | str]] = []
    names: set[str] = set()
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, _package(point))):
        points.append((point, _source(point, names)))
        names.add(point.name)
    return points


def _source(point: EntryPoint, names: set[str]) -> Installed | str:
    if not NAME.fullmatch(point.name):
        return "a name has lower-case letters, digits and '_' and starts with a letter"
    if (FOLDER / f"{point.name}.py").is_file():
        return "a shipped data set has this name"
    if point.name in names:
        return "another package's data set has this name"
    path = _file(point.value)
    return Installed(point.value, path) if path else f"{point.value!r} is no module with a .py file"


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "unknown"


def _file(module: str) -> Path | None:
    """Return the file of a module without importing it or the packages that it is in; None if there is none."""
    top, *rest = module.split(".")
    try:
        spec = find_spec(top)
        for depth in range(len(rest)):
            where = spec.submodule_search_locations if spec else None
            spec = PathFinder.find_spec(".".join([top, *rest[: depth + 1]]), list(where)) if where else None
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None
