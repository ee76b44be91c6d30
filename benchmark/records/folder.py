"""A results folder: locked by one run at a time, and checked against what its records were made with."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock, Timeout

import models
from benchmark.errors import RunError
from benchmark.output import printable
from benchmark.protocol import Protocol, combined, of_folder
from benchmark.records import code, files, store
from benchmark.records.about import AboutModel

MADE_WITH = "made_with.json"
WAYS_OUT = (
    "Choose another folder with --results or another name with --name, or continue with --accept-changes; "
    "every later record will name the change"
)


@contextmanager
def claimed(results: Path) -> Iterator[None]:
    """Lock a results folder against other runs. Raises RunError if it is locked or not writable."""
    if str(results) != printable(str(results)):
        raise RunError(
            f"{results}: a results folder's name must be UTF-8 without control characters; choose another --results"
        )
    try:
        results.mkdir(parents=True, exist_ok=True)
        probe = results / f".probe.{os.getpid()}"
        probe.touch()
        probe.unlink()
        lock = FileLock(results / ".lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(
            f"{results} is in use by another run; wait for it to finish or choose another folder with --results"
        ) from None
    except OSError as error:
        raise RunError(f"cannot write to {results}: {error.strerror}; choose another folder with --results") from None
    with lock:
        yield


class Folder:
    """What a claimed folder's records were made with: `protocol.toml`, `datasets/*.json`, `made_with.json`.

    If anything differs, RunError lists all differences; with `accept` they are added to `changes.json` and to every later
    record that they affect. `notes` lists the files that were restored.
    """

    def __init__(self, path: Path, *, accept: bool = False):
        self.path, self.accept = path, accept
        self.notes: list[str] = []
        changes = path / "changes.json"
        kept: dict[str, Any] = files.read_json(changes, "identity", "accepted") if changes.exists() else {}
        self.identity: str = kept.get("identity", "")
        self._accepted: tuple[str, ...] = tuple(kept.get("accepted", ()))  # affect all studies
        self._of_studies: dict[str, list[str]] = kept.get("of_studies", {})

    def accepted(self, study: str = "") -> tuple[str, ...]:
        """Return the accepted changes that affect all studies, and those that affect the study with that name."""
        return (*self._accepted, *self._of_studies.get(study, ()))

    def namespace(self) -> str:
        """Return a name unique to this folder, for a storage that several folders share."""
        path = self.path / ".storage-id"
        if not path.exists():
            files.write_text(path, uuid4().hex[:12])
        return path.read_text(encoding="utf-8")

    def adopt(self, protocol: Protocol) -> None:
        """Write the protocol, combined with the folder's, and its models' facts. Raises RunError if the two differ."""
        path = self.path / "protocol.toml"
        if path.exists():
            kept = of_folder(self.path)
            if kept.identity() != protocol.identity():
                changes = differences(kept.compared(), protocol.compared())
                self._refuse_or_accept("results of another protocol", changes, kept.identity())
            protocol = combined(kept, protocol)
        elif identities := {record.protocol_id for record in store.first_of_each_file(self.path)}:
            self.notes.append(f"{path} was missing and has been restored")
            if identities != {self.identity or protocol.identity()}:
                ids = ", ".join(sorted(identities))
                changes = [f"protocol.toml is missing; its records have identity {ids}, this run {protocol.identity()}"]
                self._refuse_or_accept("results of another protocol", changes, min(identities))
        files.write_text(path, protocol.toml())
        for name in filter(models.known, protocol.models):
            files.write_json(self.path / "models" / f"{name}.json", AboutModel.of(name).model_dump())

    def adopt_data(self, facts: Mapping[str, dict[str, Any]], protocol: Protocol) -> None:
        """Write the facts about the data sets. If changed data are accepted, the old records move to `superseded/`.

        Raises RunError if data changed and changes are not accepted.

        Args:
            facts: by data set, including its `fingerprint`.
            protocol: of this run.
        """
        paths = {name: self.path / "datasets" / f"{name}.json" for name in facts}
        kept = {
            name: files.read_json(path, "fingerprint")["fingerprint"] for name, path in paths.items() if path.exists()
        }
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
        """Return by study how the code and search space differ from those that the folder's records were made with.

        In a folder without records nothing differs. A model or data set that is new to the folder can differ in the shared
        code only.

        Args:
            studies: names of studies, `<data set>/<model>/<budget>`.
            spaces: search space by study; None: not compared.
        """
        path = self.path / MADE_WITH
        if not store.first_of_each_file(self.path):
            return {}
        if not path.exists() or not isinstance((kept := files.read_json(path)).get("all"), dict):
            problem = "is of an earlier version" if path.exists() else "is missing"
            return {name: [f"{path.name} {problem}: whether the code is the same cannot be told"] for name in studies}
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
        """Write what determines the numbers of the studies that will run: code, package versions, search spaces.

        Raises RunError if any of it changed and changes are not accepted.

        Args:
            studies: names of the studies that will run.
            spaces: search space by study.
            protocol: of this run.
        """
        self.check_code(studies, spaces, protocol)
        path = self.path / MADE_WITH
        kept = files.read_json(path) if path.exists() else {}
        now = _made_with(studies, spaces)
        files.write_json(path, {part: _object(kept.get(part)) | values for part, values in now.items()})

    def check_code(self, studies: Sequence[str], spaces: Mapping[str, Any] | None, protocol: Protocol) -> None:
        """Raise RunError if what determines the numbers of studies changed, unless changes are accepted.

        Args:
            studies: names of the studies.
            spaces: search space by study; None: not compared.
            protocol: of this run.
        """
        if changes := self.code_changes(studies, spaces):
            distinct = list(dict.fromkeys(change for own in changes.values() for change in own))
            self._refuse_or_accept("results of other code", distinct, protocol.identity(), changes)

    def adopt_changes(self, source: "Folder", studies: Sequence[str]) -> None:
        """Take over from a merged folder what its code was and the changes accepted there; note how its code differs.

        Args:
            source: the other folder.
            studies: names of its studies.
        """
        kept, brought = (
            files.read_json(p) if p.exists() else {} for p in (self.path / MADE_WITH, source.path / MADE_WITH)
        )
        changes = differences(_object(kept.get("all")), _object(brought.get("all")), "merged from other code: ")
        self.notes += changes
        for name in studies:
            own = dict.fromkeys([*self._of_studies.get(name, ()), *source.accepted(name), *changes])
            self._of_studies |= {name: list(own)} if own else {}
        self._write_changes(self.identity or source.identity)
        files.write_json(
            self.path / MADE_WITH, brought | {p: _object(brought.get(p)) | _object(kept.get(p)) for p in kept}
        )

    def _refuse_or_accept(
        self, what: str, changes: list[str], identity: str, of_studies: Mapping[str, list[str]] | None = None
    ) -> None:
        if not self.accept:
            raise RunError(f"{self.path} holds {what}: {'; '.join(changes)}. {WAYS_OUT}")
        day = f"{datetime.now(UTC):%Y-%m-%d}"
        self.identity = self.identity or identity
        if of_studies is None:
            self._accepted += tuple(f"{day} {change}" for change in changes)
        for name, own in (of_studies or {}).items():
            self._of_studies.setdefault(name, []).extend(f"{day} {change}" for change in own)
        self._write_changes(self.identity)

    def _write_changes(self, identity: str) -> None:
        self.identity = identity
        kept = {"identity": identity, "accepted": self._accepted, "of_studies": self._of_studies}
        if any(kept.values()):
            files.write_json(self.path / "changes.json", kept)


def differences(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return the differences among the keys that both have, as 'key before -> now'.

    Args:
        before: values; sections are nested.
        now: values to compare with.
        prefix: put before each key, for a nested section.
    """
    changes = []
    for key in sorted(before.keys() & now.keys()):
        if isinstance(before[key], dict) and isinstance(now[key], dict):
            changes += differences(before[key], now[key], f"{prefix}{key}.")
        elif before[key] != now[key]:
            changes.append(f"{prefix}{key} {before[key]} -> {now[key]}")
    return changes


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _made_with(studies: Sequence[str], spaces: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the content of `made_with.json`."""
    parts = [name.split("/") for name in studies]
    return {
        "all": code.of_everything(),
        "models": {model: code.of_model(model) for model in dict.fromkeys(model for _, model, _ in parts)},
        "datasets": {name: code.of_dataset(name) for name in dict.fromkeys(name for name, _, _ in parts)},
        "space": {name: spaces[name] for name in studies if name in spaces},
    }
