"""Checks of everything that somebody sent: a file of records, a results folder or an archive of one.

They read data only; none of the sender's code is run or imported. What passes is consistent and stays unverified until rerun.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import models
from benchmark import protocol as protocols
from benchmark.checks import archive, submission
from benchmark.errors import ProtocolError, RecordError
from benchmark.findings.row_noise import FORGED, MEASURES, RowNoise
from benchmark.findings.runs import tidy
from benchmark.output import one_line
from benchmark.protocol import Protocol
from benchmark.records import files, packed, store
from benchmark.records.about import About, AboutModel
from benchmark.records.audits import audit_file
from benchmark.records.folder import MADE_WITH
from benchmark.records.record import Record
from benchmark.records.remarks import remarks


@dataclass(frozen=True)
class Checked:
    """What is wrong, what is no fault but worth knowing, and what was read; one line each."""

    problems: list[str]
    notes: list[str]
    n_files: int
    n_records: int


def check(path: Path) -> Checked:
    """Check a file of records, a results folder or an archive of one.

    Raises ProtocolError if it is none of these, and RecordError for an archive that cannot be unpacked safely.
    """
    file = path.absolute()
    if file.is_dir() and (file / "protocol.toml").is_file():
        return _of_folder(file)
    if file.is_file() and file.name.endswith(archive.SUFFIXES):
        with archive.unpacked(file) as folder:
            try:
                return _of_folder(folder)
            except ProtocolError as error:
                raise ProtocolError(f"{path}: {_relative(str(error), folder)}") from None
    folder = file.parent.parent.parent
    if file.is_file() and (folder / "protocol.toml").is_file():
        problems = [*_of_file(file, folder, protocols.of_folder(folder))]
        records = _records(file)
        return Checked(problems, [*_notes(folder, records)], 1, len(records))
    raise ProtocolError(
        f"{path}: expected a results folder with its protocol.toml, an archive of one ({', '.join(archive.SUFFIXES)}), or "
        "<results folder>/records/<data set>/<model>.jsonl"
    )


def _of_folder(folder: Path) -> Checked:
    protocol = protocols.of_folder(folder)
    paths = sorted(path for path in folder.glob("records/*/*.jsonl") if path.is_file())
    records = [record for path in paths for record in _records(path)]
    problems = [problem for path in paths for problem in _of_file(path, folder, protocol)]
    problems += [] if paths else ["no records/<data set>/<model>.jsonl"]
    problems += [*_facts(folder, records), *_packed(folder, records)]
    if not problems:
        problems = [*_mixed(records)]
    notes = [*_notes(folder, records), *_unread(folder, paths)]
    return Checked([*dict.fromkeys(_relative(line, folder) for line in problems)], notes, len(paths), len(records))


def _of_file(path: Path, folder: Path, protocol: Protocol) -> Iterator[str]:
    """Yield the problems of a file of records, each with the file's name."""
    name = str(path.relative_to(folder))
    try:
        problems = submission.problems_of(path, protocol)
    except RecordError as error:  # of the facts that it needs
        problems = [str(error)]
    for problem in problems:
        line = _relative(problem, folder)
        yield line if line.startswith(name) else f"{name}: {line}"


def _relative(line: str, folder: Path) -> str:
    """Return the line without the folder's path, which may be a temporary one."""
    return one_line(line.replace(f"{folder}/", ""))


def _records(path: Path) -> list[Record]:
    """Return the records of a file; none if it is too large or invalid, which is a problem of its own."""
    try:
        return store.read_file(path) if path.stat().st_size <= submission.LARGEST_BYTES else []
    except RecordError:
        return []


def _mixed(records: list[Record]) -> Iterator[str]:
    try:
        tidy(records)
    except RecordError as error:
        yield str(error)


def _facts(folder: Path, records: list[Record]) -> Iterator[str]:
    """Yield what is wrong with the facts about data, models and code, and with the row noise."""
    readers: dict[str, Callable[[Path], object]] = {
        "datasets/*.json": About.read,
        "models/*.json": AboutModel.read,
        "row_noise/*.json": RowNoise.kept,
        MADE_WITH: files.read_json,
        "changes.json": files.read_json,
    }
    for pattern, read in readers.items():
        for path in sorted(folder.glob(pattern)):
            try:
                read(path)
            except RecordError as error:
                yield str(error)
                continue
            if pattern == "datasets/*.json":
                yield from _other_data(path, records)


def _other_data(path: Path, records: list[Record]) -> Iterator[str]:
    own = {record.data_fingerprint for record in records if record.dataset == path.stem}
    facts = files.read_json(path).get("fingerprint")
    if facts is not None and any(fingerprint != facts for fingerprint in own):
        yield f"{path}: the facts are about data {facts}, the records about {', '.join(sorted(own))}"


def _packed(folder: Path, records: list[Record]) -> Iterator[str]:
    """Yield what is wrong with packed predictions: files, runs that no record names, metrics unlike those of the records."""
    for path in sorted(folder.glob("packed_predictions/*/*.npz")):
        own = {
            record.predictions: record
            for record in records
            if (record.dataset, record.model) == (path.parent.name, path.stem) and record.test and record.predictions
        }
        try:
            content = packed.read(path)
            if strangers := [run for run in content.runs if run not in own]:
                yield f"{path}: {len(strangers)} of {len(content.runs)} runs are in no record"
            for run, logits in zip(content.runs, content.logits.astype(np.float32), strict=True):
                for metric, measure in MEASURES.items() if run in own else ():
                    value, recorded = (
                        float(measure(content.labels, logits).values[0]),
                        (own[run].test or {}).get(metric),
                    )
                    if recorded is None or not abs(value - recorded) < FORGED:
                        yield f"{path}: {own[run].name}: test {metric} {recorded} is {value:.4f} from its predictions"
        except ValueError as error:  # of the file, or of labels of a single class
            yield str(error) if str(path) in str(error) else f"{path}: {error}"


def _notes(folder: Path, records: list[Record]) -> Iterator[str]:
    """Yield what is no fault of the records but worth knowing."""
    yield from remarks(records)
    if overrides := sorted({change for record in records for change in record.overrides}):
        yield f"the protocol was changed on the command line: {', '.join(overrides)}"
    for model in sorted({record.model for record in records}):
        if not models.known(model):
            yield f"model {model} is not installed here: its FLOPs were not computed again"
    for dataset in sorted({record.dataset for record in records}):
        if not (folder / "datasets" / f"{dataset}.json").is_file():
            yield f"no facts about data set {dataset}: FLOPs were not computed again"


def _unread(folder: Path, paths: list[Path]) -> Iterator[str]:
    """Yield which files of a whole folder do not count."""
    if audit_file(folder).exists():
        yield f"{audit_file(folder).name} is the sender's and does not count; remove it before you keep the folder"
    others = [path for path in folder.glob("records/**/*") if path.is_file() and path not in paths]
    if others:
        yield f"{len(others)} files in records/ are no <data set>/<model>.jsonl and were not read"
