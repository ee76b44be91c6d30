"""Audits of a results folder, `audits.jsonl`: which records were retrained by its holder, and whether they came out alike."""

from pathlib import Path
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from benchmark.errors import RecordError, disk_errors
from benchmark.records.files import first_problem
from benchmark.records.record import Name, Record


class Audit(BaseModel):
    """One record, retrained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: Name
    model: Name
    record: str  # its name
    passed: bool
    gap: float | None  # largest difference of a metric; None if one has a metric that the other lacks
    device: str | None
    commit: str | None
    finished: AwareDatetime

    @classmethod
    def of(cls, record: Record, again: Record, gap: float, *, passed: bool) -> Self:
        """Return the audit of a record.

        Args:
            record: as it is in the folder.
            again: its retraining.
            gap: largest absolute difference of any metric.
            passed: whether that is within the tolerance.
        """
        return cls(
            dataset=record.dataset,
            model=record.model,
            record=record.name,
            passed=passed,
            gap=gap if gap < float("inf") else None,
            device=again.device,
            commit=again.commit,
            finished=again.finished,
        )


def audit_file(results: Path) -> Path:
    """Return the path of a results folder's audits."""
    return results / "audits.jsonl"


def append(results: Path, audit: Audit) -> None:
    """Append an audit. Raises RunError if the disk is full or not writable."""
    path = audit_file(results)
    with disk_errors(path), path.open("a", encoding="utf-8") as file:
        file.write(audit.model_dump_json() + "\n")


def read(results: Path) -> list[Audit]:
    """Return the audits of a results folder in the order in which they were made. Raises RecordError for an invalid line."""
    path, audits = audit_file(results), []
    lines = path.read_bytes().splitlines() if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        try:
            audits.append(Audit.model_validate_json(line))
        except ValidationError as error:
            raise RecordError(f"{path}, line {number}: {first_problem(error)}") from None
    return audits


def verified(audits: list[Audit]) -> set[tuple[str, str]]:
    """Return the data sets and models of which at least one record was retrained and none failed."""
    tried, failed = ({(a.dataset, a.model) for a in audits if a.passed is passed} for passed in (True, False))
    return tried - failed
