"""Rebuild the storage of a results folder for Optuna's own tools, from the folder alone; no model need be installed."""

from pathlib import Path

from optuna.distributions import json_to_distribution

from benchmark.errors import RecordError
from benchmark.findings import Findings
from benchmark.records import files
from benchmark.records.folder import MADE_WITH
from benchmark.records.record import Record
from benchmark.study import Study
from benchmark.tuning.resume import Space, resumed
from benchmark.tuning.storage import storage_url


def rebuild(findings: Findings, out: Path) -> Path:
    """Write a SQLite storage with every search of a results folder and return its file; an earlier one is replaced.

    Raises RecordError if the folder does not say from which space a study drew.

    Args:
        findings: of a results folder.
        out: folder to write to.
    """
    trials: dict[tuple[str, str, float, int], dict[int, Record]] = {}
    for record in findings.records:
        if record.kind == "trial":
            key = record.dataset, record.model, record.budget, record.block
            trials.setdefault(key, {})[record.trial] = record
    made_with = findings.folder / MADE_WITH
    spaces = files.read_json(made_with, "space")["space"]
    file = out / "study.db"
    out.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    for (dataset, model, budget, block), of_block in trials.items():
        study = Study(
            findings.protocol,
            dataset,
            model,
            budget,
            findings.folder,
            storage_url(None, out),
            block=block,
            identity=next(iter(of_block.values())).protocol_id,
        )
        try:
            space = _space(spaces[study.cell])
        except (KeyError, TypeError, ValueError, AttributeError):
            raise RecordError(f"{made_with}: no valid search space of {study.cell}") from None
        resumed(study, None, of_block, space)
    return file


def _space(stored: dict[str, str]) -> Space:
    """Return a study's search space as the folder states it; it is the same for all parameters."""
    space = {name: json_to_distribution(text) for name, text in stored.items()}
    return lambda params: space
