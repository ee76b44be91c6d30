"""Record files: JSON lines, appended and never edited. Only this module reads and writes `records/` in a results folder.

A results folder is self-contained: `protocol.toml` (resolved), `datasets/<dataset>.json` (facts about the data),
`records/<dataset>/<model>.jsonl`, and what `report` generates from them.
"""

import errno
import itertools
import os
from pathlib import Path

from filelock import FileLock
from pydantic import ValidationError

from benchmark.errors import RecordError, disk_errors
from benchmark.records.files import first_problem
from benchmark.records.record import KINDS, Record


def record_file(results: Path, dataset: str, model: str) -> Path:
    """Return the path of the records of a data set and model.

    Args:
        results: results folder.
        dataset: name of the data set.
        model: name of the model.
    """
    return results / "records" / dataset / f"{model}.jsonl"


def append(results: Path, record: Record) -> None:
    """Append a record with a single write; a last line torn by a kill is first moved to a `.torn` file.

    Raises RunError, and leaves the file as it was, if the disk is full or not writable.
    """
    path = record_file(results, record.dataset, record.model)
    line = (record.model_dump_json() + "\n").encode()
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(results / ".lock.records"), path.open("ab+") as file:
            _cut_torn_line(path)
            end = path.stat().st_size
            try:
                if os.write(file.fileno(), line) < len(line):  # happens on an almost full disk
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
            except OSError:
                os.truncate(path, end)
                raise


def set_aside(results: Path, dataset: str, fingerprint: str) -> None:
    """Move the records of a data set to `superseded/`, where no table reads them; nothing is deleted.

    The new folder is superseded/<dataset>-<fingerprint>; if it exists, the first free one of ...-2, ...-3 and so on.

    Args:
        results: results folder.
        dataset: name of the data set.
        fingerprint: of the data that the records were made on.
    """
    current = results / "records" / dataset
    if current.exists():
        first = results / "superseded" / f"{dataset}-{fingerprint}"
        further = (first.with_name(f"{first.name}-{n}") for n in itertools.count(2))
        first.parent.mkdir(exist_ok=True)
        current.rename(next(folder for folder in itertools.chain([first], further) if not folder.exists()))


def read(results: Path) -> list[Record]:
    """Return all records of a results folder, ordered by data set, model, budget, block, kind, trial and seed.

    A torn last line is skipped, since its trial will run again. Raises RecordError if any other line is not a record.
    """
    records = [record for path in sorted((results / "records").glob("*/*.jsonl")) for record in read_file(path)]
    return sorted(records, key=lambda r: (r.dataset, r.model, r.budget, r.block, KINDS.index(r.kind), r.trial, r.seed))


def first_of_each_file(results: Path) -> list[Record]:
    """Return the first record of each file, which identifies its data set, model, protocol and data. Raises RecordError."""
    paths = sorted((results / "records").glob("*/*.jsonl"))
    return [records[0] for path in paths if (records := read_file(path, at_most=1))]


def of_study(results: Path, dataset: str, model: str, budget: float, block: int) -> list[Record]:
    """Return the records of one block of a study in the order they were written.

    Args:
        results: results folder.
        dataset: name of the data set.
        model: name of the model.
        budget: training MFLOP per example.
        block: its number.
    """
    path = record_file(results, dataset, model)
    records = read_file(path) if path.exists() else []
    return [record for record in records if (record.budget, record.block) == (budget, block)]


def read_file(path: Path, at_most: int | None = None) -> list[Record]:
    """Return the records of one file in the order they were written. Raises RecordError naming an invalid line.

    Args:
        path: of the file.
        at_most: read only this many records from the start; None: all.
    """
    records = []
    lines = path.read_bytes().split(b"\n")[:-1]  # the last part is empty or torn
    for number, line in enumerate(lines[:at_most], start=1):
        try:
            records.append(Record.model_validate_json(line))
        except ValidationError as error:
            raise RecordError(f"{path}, line {number}: {first_problem(error)}") from None
    return records


def _cut_torn_line(path: Path) -> None:
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        path.with_suffix(".torn").write_bytes(content[end:])
        os.truncate(path, end)
