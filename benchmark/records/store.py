"""Record files: JSON lines, appended and never edited; the only reader and writer of `records/` in a results folder.

A results folder is self-contained: `protocol.toml` (resolved), `datasets/<dataset>.json` (facts about the data),
`records/<dataset>/<model>.jsonl` and what `report` generates from them.
"""

import errno
import itertools
import os
from pathlib import Path

from filelock import FileLock
from pydantic import ValidationError

from benchmark.errors import RecordError, disk_errors
from benchmark.records.record import KINDS, Record


def record_file(results: Path, dataset: str, model: str) -> Path:
    """Where the records of a data set and model stand."""
    return results / "records" / dataset / f"{model}.jsonl"


def append(results: Path, record: Record) -> None:
    """Add a record with one write; a last line torn by a kill is moved to a `.torn` file first.

    Raises RunError if the disk is full or cannot be written; the file then ends where it ended.
    """
    path = record_file(results, record.dataset, record.model)
    line = (record.model_dump_json() + "\n").encode()
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(results / ".lock.records"), path.open("ab+") as file:
            _cut_torn_line(path)
            end = path.stat().st_size
            try:
                if os.write(file.fileno(), line) < len(line):  # what a disk does that is almost full
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
            except OSError:
                os.truncate(path, end)
                raise


def set_aside(results: Path, dataset: str, fingerprint: str) -> None:
    """Move the records made on data of that fingerprint out of the tables' sight; nothing is deleted.

    They go to superseded/<dataset>-<fingerprint>, and where data went back and forth to the first of ...-2, ...-3 that is
    free.
    """
    there = results / "records" / dataset
    if there.exists():
        kept = results / "superseded" / f"{dataset}-{fingerprint}"
        again = (kept.with_name(f"{kept.name}-{n}") for n in itertools.count(2))
        kept.parent.mkdir(exist_ok=True)
        there.rename(next(folder for folder in itertools.chain([kept], again) if not folder.exists()))


def read(results: Path) -> list[Record]:
    """All records of a results folder, ordered by data set, model, budget, kind, trial and seed.

    A torn last line is passed over, since its trial will run again; any other line that is not a record raises
    RecordError.
    """
    records = [record for path in sorted((results / "records").glob("*/*.jsonl")) for record in read_file(path)]
    return sorted(records, key=lambda r: (r.dataset, r.model, r.budget, KINDS.index(r.kind), r.trial, r.seed))


def first_of_each_file(results: Path) -> list[Record]:
    """Return the first record of each file, which names its data set, model, protocol and data. Raises RecordError."""
    paths = sorted((results / "records").glob("*/*.jsonl"))
    return [records[0] for path in paths if (records := read_file(path, at_most=1))]


def of_study(results: Path, dataset: str, model: str, budget: float) -> list[Record]:
    """The records of one study and its final runs, in the order they were written."""
    path = record_file(results, dataset, model)
    return [record for record in read_file(path) if record.budget == budget] if path.exists() else []


def read_file(path: Path, at_most: int | None = None) -> list[Record]:
    """Return the records of one file in the order they were written. Raises RecordError naming an invalid line.

    Args:
        path: of the file.
        at_most: so many records from its start; None: all.
    """
    records = []
    lines = path.read_bytes().split(b"\n")[:-1]  # the last piece is empty or torn
    for number, line in enumerate(lines[:at_most], start=1):
        try:
            records.append(Record.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise RecordError(f"{path}, line {number}: {key + ': ' if key else ''}{first['msg']}") from None
    return records


def _cut_torn_line(path: Path) -> None:
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        path.with_suffix(".torn").write_bytes(content[whole:])
        os.truncate(path, whole)
