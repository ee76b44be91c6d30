"""A results folder: held by one run at a time, and what its records were made with, so that a change is noticed."""

import hashlib
import json
import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock, Timeout

from benchmark import records
from benchmark.errors import RunError
from benchmark.protocol import Protocol, validated

PACKAGES = ("torch", "lightning", "torchmetrics", "optuna", "numpy", "polars")  # that decide the numbers
SOURCES = (
    "budget",
    "resume",
    "runner",
    "sampler",
    "space",
    "train",
    "tune",
)  # modules of this package that decide them
WAYS_OUT = (
    "Choose another folder with --results or another name with --name, or go on with --accept-changes, "
    "which every later record then says"
)


@contextmanager
def claimed(results: Path) -> Iterator[None]:
    """Hold a results folder, so that no second run writes there. Raises RunError if it cannot be written or is held."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        probe = results / f".probe.{os.getpid()}"
        probe.touch()
        probe.unlink()
        lock = FileLock(results / ".lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(
            f"{results} is in use by another run; wait for it, or choose another folder with --results"
        ) from None
    except OSError as error:
        raise RunError(f"cannot write to {results}: {error.strerror}; choose another folder with --results") from None
    with lock:
        yield


class Folder:
    """What a claimed folder's records were made with: `protocol.toml`, `datasets/*.json`, `made_with.json`.

    A difference raises RunError, which lists all of it, unless changes are accepted; then it is added to `changes.json`
    and to every later record.
    """

    def __init__(self, path: Path, *, accept: bool = False):
        self.path, self.accept = path, accept
        self._changes = path / "changes.json"
        there: dict[str, Any] = {"identity": "", "accepted": []}
        if self._changes.exists():
            there = records.read_json(self._changes)
        self.identity: str = there["identity"]
        self.accepted: tuple[str, ...] = tuple(there["accepted"])

    def namespace(self) -> str:
        """A name of this folder that no other has, for a storage that several share."""
        path = self.path / ".storage-id"
        if not path.exists():
            records.write_text(path, uuid4().hex[:12])
        return path.read_text(encoding="utf-8")

    def adopt(self, protocol: Protocol) -> None:
        """Write the protocol, merged with the one there."""
        path = self.path / "protocol.toml"
        if path.exists():
            there = validated(tomllib.loads(path.read_text(encoding="utf-8")), str(path))
            if there.identity() != protocol.identity():
                changes = differences(_compared(there), _compared(protocol))
                self._refuse_or_accept("results of another protocol", changes, there.identity())
            lists = ("datasets", "models", "budgets")
            merged = {key: _union(getattr(there, key), getattr(protocol, key)) for key in lists}
            protocol = protocol.model_copy(update=merged)
        records.write_text(path, protocol.toml())

    def adopt_data(self, facts: dict[str, dict[str, Any]], protocol: Protocol) -> None:
        """Write the facts about the data sets. Records of a set that changed are moved to `superseded/` if that is accepted."""
        paths = {name: self.path / "datasets" / f"{name}.json" for name in facts}
        there = {name: records.read_json(path)["fingerprint"] for name, path in paths.items() if path.exists()}
        here = {name: facts[name]["fingerprint"] for name in there}
        if changes := differences(there, here):
            self._refuse_or_accept("results on other data", changes, protocol.identity())
            for name in [name for name in there if there[name] != here[name]]:
                records.set_aside(self.path, name, there[name])
        for name, path in paths.items():
            records.write_json(path, facts[name])

    def adopt_code(self, spaces: dict[str, Any], protocol: Protocol) -> None:
        """Write the search spaces, the versions of the packages and hashes of the source that decide the numbers."""
        path = self.path / "made_with.json"
        here = {"code": _code(protocol), "packages": {name: version(name) for name in PACKAGES}, "space": spaces}
        there = records.read_json(path) if path.exists() else {}
        if changes := differences(there, here):
            self._refuse_or_accept("results of other code", changes, protocol.identity())
        records.write_json(path, _updated(there, here))

    def _refuse_or_accept(self, what: str, changes: list[str], identity: str) -> None:
        if not self.accept:
            raise RunError(f"{self.path} holds {what}: {'; '.join(changes)}. {WAYS_OUT}")
        day = f"{datetime.now(UTC):%Y-%m-%d}"
        self.identity = self.identity or identity
        self.accepted += tuple(f"{day} {change}" for change in changes)
        records.write_json(self._changes, {"identity": self.identity, "accepted": self.accepted})


def differences(there: dict[str, Any], here: dict[str, Any], prefix: str = "") -> list[str]:
    """What of the things known then is another now, as 'key there -> here'."""
    found = []
    for key in sorted(there.keys() & here.keys()):
        before, now = there[key], here[key]
        if isinstance(before, dict) and isinstance(now, dict):
            found += differences(before, now, f"{prefix}{key}.")
        elif before != now:
            found.append(f"{prefix}{key} {before} -> {now}")
    return found


def _compared(protocol: Protocol) -> dict[str, Any]:
    listed = {"name", "title", "datasets", "models", "budgets", "overrides"}
    return protocol.model_dump(mode="json", exclude=listed)


def _union(there: tuple[Any, ...], here: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*there, *(value for value in here if value not in there))


def _updated(there: dict[str, Any], here: dict[str, Any]) -> dict[str, Any]:
    """`here` over `there`, section by section: models that do not run now stay."""
    return there | {section: there.get(section, {}) | values for section, values in here.items()}


def _code(protocol: Protocol) -> dict[str, str]:
    root = Path(__file__).parents[1]
    listed = {"models": protocol.models, "datamodules": protocol.datasets}
    files = {
        f"{package}/{base}": [root / package / f"{base}.py"]
        for package, names in listed.items()
        for base, *_ in (name.split(".") for name in names)
    }
    files |= {
        f"{package}/base": sorted((root / package / "base").glob("*.py")) for package in ("models", "datamodules")
    }
    files["benchmark"] = [root / "benchmark" / f"{name}.py" for name in SOURCES]
    return {name: _digest(paths) for name, paths in files.items()}


def _digest(paths: list[Path]) -> str:
    content = [path.read_text(encoding="utf-8") for path in paths]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]
