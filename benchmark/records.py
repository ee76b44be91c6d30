"""Records: one JSON object a line for each finished trial and final run. The only reader and writer of results folders.

A results folder is whole in itself: `protocol.toml` (resolved), `datasets/<dataset>.json` (facts about the data),
`records/<dataset>/<model>.jsonl` (appended, never edited) and what `report` generates from them.
"""

import errno
import itertools
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from filelock import FileLock
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmark.errors import disk_errors

Kind = Literal["trial", "retrial", "final"]  # a retrial: a finalist trained with another seed, to choose the winner
KINDS: tuple[Kind, ...] = get_args(Kind)
Metrics = dict[str, float]
Name = Annotated[
    str, Field(pattern=r"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,63}\z")
]  # also a file's, which it cannot lead elsewhere


class RecordError(ValueError):
    """A results folder or a record in it is not as it must be; the message names file and line."""


class Record(BaseModel):
    """Everything about one trial or one final run."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")

    schema_version: Literal[1] = 1
    kind: Kind
    status: Literal["complete", "failed", "infeasible", "duplicate"]
    error: str | None = None  # why it is not complete

    protocol: str
    protocol_id: str  # of what must be equal for records to share a table
    overrides: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()  # changes of protocol, space, data or code that the user let pass before this run
    exact: bool = True  # one worker drew the study's trials in order, so that a repetition draws them again
    dataset: Name
    data_fingerprint: str
    model: Name
    budget: float  # training MFLOP per example
    trial: int  # position in the study; of a retrial or final run, the trial whose configuration it has
    seed: int  # of initialisation, dropout and data order

    params: dict[str, Any] = {}  # as sampled
    config: dict[str, Any] = {}  # the architecture they lead to
    optimiser: dict[str, Any] = {}
    forward_flops: int | None = None  # per example
    training_flops: int | None = None  # per example, 3 x forward
    dense_parameters: int | None = None
    embedding_parameters: int | None = None

    epochs: int | None = None  # trained
    best_epoch: int | None = None  # whose weights were scored, from 1
    steps: int | None = None
    examples: int | None = None  # trained on, repeats counted
    train_seconds: float | None = None  # without validation
    seconds: float | None = None  # with it
    history: tuple[dict[str, float], ...] = ()  # train_loss and validation metrics after each epoch
    valid: Metrics | None = None
    test: Metrics | None = None
    predictions: str | None = None  # hash of the test predictions, where they were kept

    device: str | None = None
    devices: int = 1  # that trained one model together
    threads: int | None = None
    commit: str | None = None  # of the suite
    dirty: bool | None = None  # uncommitted changes
    versions: dict[str, str] = {}
    finished: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.test is not None and self.kind != "final":
            raise ValueError(f"a {self.kind} must not know the test part")
        if self.status == "complete":
            if self.valid is None or (self.test is None) == (self.kind == "final"):
                raise ValueError("a complete record needs its metrics")
        elif not self.error:
            raise ValueError(f"a record with status {self.status} must say why")
        return self

    def timeless(self) -> dict[str, Any]:
        """The record without what the clock decided: equal for equal runs on the same kind of machine."""
        return self.model_dump(exclude={"train_seconds", "seconds", "finished"})

    @property
    def study(self) -> str:
        """The name of its study."""
        return f"{self.dataset}/{self.model}/{self.budget:g}"

    @property
    def name(self) -> str:
        """Its name on the screen."""
        what = f"trial {self.trial}"
        if self.kind != "trial":
            what = f"{self.kind} run of {what}, seed {self.seed}"
        return f"{self.study} {what}"

    @property
    def examples_per_second(self) -> float | None:
        """Training throughput, validation left out."""
        return self.examples / self.train_seconds if self.examples and self.train_seconds else None


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


def of_study(results: Path, dataset: str, model: str, budget: float) -> list[Record]:
    """The records of one study and its final runs, in the order they were written."""
    path = record_file(results, dataset, model)
    return [record for record in read_file(path) if record.budget == budget] if path.exists() else []


def read_file(path: Path) -> list[Record]:
    """The records of one file, in the order they were written. Raises RecordError naming the line that is none."""
    records = []
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):  # the last piece is empty or torn
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


def write_json(path: Path, value: object) -> None:
    """Replace a file of a results folder in one step."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace a text file in one step: readers see the old or the new content, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def read_json(path: Path) -> Any:
    """A JSON file of a results folder. Raises RecordError if it is not one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: {error}") from None
