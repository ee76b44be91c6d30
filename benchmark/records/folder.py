"""A results folder: held by one run at a time, and what its records were made with, so that no change goes unnoticed."""

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock, Timeout

from benchmark.errors import RunError
from benchmark.protocol import Protocol, validated
from benchmark.records import code, files, store

WAYS_OUT = (
    "Choose another folder with --results or another name with --name, or continue with --accept-changes; "
    "every later record then names the change"
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

    A difference raises RunError, which lists all of it, unless changes are accepted; then it is added to `changes.json` and
    to every later record that it concerns. `notes` says what was restored or differs without consequence.
    """

    def __init__(self, path: Path, *, accept: bool = False):
        self.path, self.accept = path, accept
        self.notes: list[str] = []
        changes = path / "changes.json"
        kept: dict[str, Any] = files.read_json(changes) if changes.exists() else {}
        self.identity: str = kept.get("identity", "")
        self._accepted: tuple[str, ...] = tuple(kept.get("accepted", ()))  # concern all studies
        self._of_studies: dict[str, list[str]] = kept.get("of_studies", {})

    def accepted(self, study: str = "") -> tuple[str, ...]:
        """Return the accepted changes that concern all studies, and those that concern the study of that name."""
        return (*self._accepted, *self._of_studies.get(study, ()))

    def namespace(self) -> str:
        """Return a name that no other folder has, for a storage that several share."""
        path = self.path / ".storage-id"
        if not path.exists():
            files.write_text(path, uuid4().hex[:12])
        return path.read_text(encoding="utf-8")

    def adopt(self, protocol: Protocol) -> None:
        """Write the protocol, merged with the one in the folder."""
        path = self.path / "protocol.toml"
        if path.exists():
            kept = validated(tomllib.loads(path.read_text(encoding="utf-8")), str(path))
            if kept.identity() != protocol.identity():
                changes = differences(_compared(kept), _compared(protocol))
                self._refuse_or_accept("results of another protocol", changes, kept.identity())
            lists = ("datasets", "models", "budgets")
            merged = {key: _union(getattr(kept, key), getattr(protocol, key)) for key in lists}
            protocol = protocol.model_copy(update=merged)
        elif identities := {record.protocol_id for record in store.first_of_each_file(self.path)}:
            self.notes.append(f"{path} was missing and has been restored")
            if identities != {self.identity or protocol.identity()}:
                ids = ", ".join(sorted(identities))
                changes = [f"protocol.toml is missing; identity of its records {ids}, now {protocol.identity()}"]
                self._refuse_or_accept("results of another protocol", changes, min(identities))
        files.write_text(path, protocol.toml())

    def adopt_data(self, facts: Mapping[str, dict[str, Any]], protocol: Protocol) -> None:
        """Write the facts about the data sets. If changed data are accepted, their old records move to `superseded/`.

        Args:
            facts: of each data set, its `fingerprint` among them.
            protocol: of this run.
        """
        paths = {name: self.path / "datasets" / f"{name}.json" for name in facts}
        kept = {name: files.read_json(path)["fingerprint"] for name, path in paths.items() if path.exists()}
        for record in store.first_of_each_file(self.path):
            if record.dataset in facts and record.dataset not in kept:
                kept[record.dataset] = record.data_fingerprint
                self.notes.append(f"{paths[record.dataset]} was missing and has been restored")
        now = {name: facts[name]["fingerprint"] for name in kept}
        if changes := differences(kept, now):
            self._refuse_or_accept("results on other data", changes, protocol.identity())
            for name in [name for name in kept if kept[name] != now[name]]:
                store.set_aside(self.path, name, kept[name])
        for name, path in paths.items():
            files.write_json(path, facts[name])

    def code_changes(self, studies: Sequence[str], spaces: Mapping[str, Any] | None = None) -> dict[str, list[str]]:
        """Return by study what decides its numbers and differs from what the folder's records were made with.

        A study that no record can differ from, of a model that joins the folder or in a folder without records, has no
        changes. Names are `<data set>/<model>/<budget>`.

        Args:
            studies: names of studies.
            spaces: the search space of each of them; None: not compared.
        """
        path = self.path / "made_with.json"
        models_with_records = {(r.dataset, r.model) for r in store.first_of_each_file(self.path)}
        if not models_with_records:
            return {}
        if not path.exists() or "all" not in (kept := files.read_json(path)):
            lost = "is of an earlier version" if path.exists() else "is missing"
            return {name: [f"{path} {lost}: whether the code is the same cannot be told"] for name in studies}
        now = _made_with(studies, spaces or {})
        shared = differences(kept["all"], now["all"])
        changes = {}
        for name in studies:
            dataset, model, _ = name.split("/")
            own = {"models": model, "datasets": dataset, "space": name}
            differing = list(shared)
            for part, key in own.items():
                before, after = ({key: values[part][key]} if key in values[part] else {} for values in (kept, now))
                differing += differences(before, after, f"{part}.")
            if differing:
                changes[name] = differing
        return changes

    def adopt_code(self, studies: Sequence[str], spaces: Mapping[str, Any], protocol: Protocol) -> None:
        """Write what decides the numbers of the studies that will run: code by meaning, package versions, search spaces.

        Args:
            studies: names of the studies that will run.
            spaces: the search space of each of them.
            protocol: of this run.
        """
        path = self.path / "made_with.json"
        changes = self.code_changes(studies, spaces)
        if changes:
            every = list(dict.fromkeys(change for of_study in changes.values() for change in of_study))
            self._refuse_or_accept("results of other code", every, protocol.identity(), changes)
        kept = files.read_json(path) if path.exists() else {}
        now = _made_with(studies, spaces)
        files.write_json(path, {part: kept.get(part, {}) | values for part, values in now.items()})

    def _refuse_or_accept(
        self, what: str, changes: list[str], identity: str, of_studies: Mapping[str, list[str]] | None = None
    ) -> None:
        if not self.accept:
            raise RunError(f"{self.path} holds {what}: {'; '.join(changes)}. {WAYS_OUT}")
        day = f"{datetime.now(UTC):%Y-%m-%d}"
        self.identity = self.identity or identity
        if of_studies is None:
            self._accepted += tuple(f"{day} {change}" for change in changes)
        for name, concerning in (of_studies or {}).items():
            self._of_studies.setdefault(name, []).extend(f"{day} {change}" for change in concerning)
        kept = {"identity": self.identity, "accepted": self._accepted, "of_studies": self._of_studies}
        files.write_json(self.path / "changes.json", kept)


def differences(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return what differs among the keys that both have, as 'key before -> now'.

    Args:
        before: values, sections of them nested.
        now: the same later or elsewhere.
        prefix: of the keys, for a nested section.
    """
    changes = []
    for key in sorted(before.keys() & now.keys()):
        if isinstance(before[key], dict) and isinstance(now[key], dict):
            changes += differences(before[key], now[key], f"{prefix}{key}.")
        elif before[key] != now[key]:
            changes.append(f"{prefix}{key} {before[key]} -> {now[key]}")
    return changes


def _made_with(studies: Sequence[str], spaces: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Content of `made_with.json`."""
    parts = [name.split("/") for name in studies]
    return {
        "all": code.of_everything(),
        "models": {model: code.of_model(model) for model in dict.fromkeys(model for _, model, _ in parts)},
        "datasets": {name: code.of_dataset(name) for name in dict.fromkeys(name for name, _, _ in parts)},
        "space": {name: spaces[name] for name in studies if name in spaces},
    }


def _compared(protocol: Protocol) -> dict[str, Any]:
    listed = {"name", "title", "datasets", "models", "budgets", "overrides"}
    return protocol.model_dump(mode="json", exclude=listed)


def _union(kept: tuple[Any, ...], now: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*kept, *(value for value in now if value not in kept))
