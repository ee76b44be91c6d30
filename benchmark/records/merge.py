"""Merge the records of several results folders by content."""

import shutil
from pathlib import Path

from benchmark.errors import RecordError
from benchmark.protocol import of_folder
from benchmark.records import files, packed, store
from benchmark.records.folder import Folder
from benchmark.records.record import Record

Slot = tuple[str, str, float, int, str, int, int]  # data set, model, budget, block, kind, trial, seed of a final run


def merge(target: Path, sources: list[Path]) -> tuple[int, list[str]]:
    """Add the records that a results folder lacks, and return how many were added and how the code differed.

    Predictions, facts about models and data, accepted changes and what the code was come along, and the throughput of data sets
    that have none: measurements of two machines are never mixed.

    Records that differ only in times, device, threads or `dirty` count as equal. If two records of the same training
    differ in anything else, nothing is added and RecordError names each conflict. Raises RunError if the folders differ in
    protocol or data.
    """
    merged = {_slot(record): (record, target) for record in store.read(target)}
    added: list[Record] = []
    conflicts: list[str] = []
    for source in sources:
        for record in store.read(source):
            earlier, folder = merged.setdefault(_slot(record), (record, source))
            if earlier is record:
                added.append(record)
            elif differing := _differing(earlier, record):
                conflicts.append(f"{record.name} in {folder} and {source}: {', '.join(differing)}")
    if conflicts:
        raise RecordError(f"nothing merged into {target}, {len(conflicts)} conflict(s): {'; '.join(conflicts)}")
    notes: list[str] = []
    for source in sources:
        notes += _adopt(target, source)
        _bring(target, source)
    for record in added:
        store.append(target, record)
    return len(added), list(dict.fromkeys(notes))


def _bring(target: Path, source: Path) -> None:
    """Copy what the target lacks of predictions, facts about models and measured throughput."""
    for pattern in ("predictions/*/*/*.npz", "models/*.json", "throughput/*.json"):
        for path in source.glob(pattern):
            copy = target / path.relative_to(source)
            if not copy.exists():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
    for path in source.glob("packed_predictions/*/*.npz"):
        copy, brought = target / path.relative_to(source), packed.read(path)
        packed.write(copy, packed.united(packed.read(copy), brought) if copy.exists() else brought)


def _adopt(target: Path, source: Path) -> list[str]:
    """Take over the source's protocol, facts about data and code; return how the code differed and what was restored."""
    folder, protocol = Folder(target), of_folder(source)
    folder.adopt(protocol)
    folder.adopt_data(
        {path.stem: files.read_json(path, "fingerprint") for path in source.glob("datasets/*.json")}, protocol
    )
    folder.adopt_changes(Folder(source), sorted({record.study for record in store.read(source)}))
    return folder.notes


def _slot(record: Record) -> Slot:
    seed = 0 if record.kind == "trial" else record.seed
    return record.dataset, record.model, record.budget, record.block, record.kind, record.trial, seed


def _differing(a: Record, b: Record) -> list[str]:
    """Return the names of the fields that differ, leaving out times and machine."""
    first, second = a.timeless(), b.timeless()
    keys = dict.fromkeys([*first, *second])  # that of a model's file is in some records only
    return [key for key in keys if first.get(key) != second.get(key) and key not in ("device", "threads", "dirty")]
