"""Models of installed packages: entry points of the group `wukong_bench.models`, each the name of a module with one model."""

from functools import cache
from importlib.machinery import PathFinder
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from models._sources import NAME, Installed, shipped

GROUP = "wukong_bench.models"


@cache
def installed() -> dict[str, Installed]:
    """Return the models of installed packages by name; none is imported."""
    return {point.name: source for point, source in _points() if isinstance(source, Installed)}


def ignored() -> list[str]:
    """Return a line about each entry point that is not used."""
    return [
        f"the model {point.name!r} of the package {_package(point)} is ignored: {reason}"
        for point, reason in _points()
        if isinstance(reason, str)
    ]


@cache
def _points() -> list[tuple[EntryPoint, Installed | str]]:
    """Return each entry point with the model that it names, or the reason why it is not used."""
    points: list[tuple[EntryPoint, Installed | str]] = []
    names: set[str] = set()
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, _package(point))):
        points.append((point, _source(point, names)))
        names.add(point.name)
    return points


def _source(point: EntryPoint, names: set[str]) -> Installed | str:
    if not NAME.fullmatch(point.name):
        return "a name has lower-case letters, digits and '_' and starts with a letter"
    if shipped(point.name):
        return "a shipped model has this name"
    if point.name in names:
        return "another package's model has this name"
    path = _file(point.value)
    return Installed(point.name, path, point.value) if path else f"{point.value!r} is no module with a .py file"


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
