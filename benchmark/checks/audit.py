"""An audit: records of a results folder trained again from what they say, and how far their numbers come back."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path

import torch

from benchmark.errors import RunError
from benchmark.findings.summary import LABEL
from benchmark.protocol import Protocol
from benchmark.records import predictions, store
from benchmark.records.predictions import Labels, Logits
from benchmark.records.record import Record
from benchmark.reports.cells import number, text
from benchmark.reports.compare import FIELDS
from benchmark.reports.table import Cell, Column, Table
from benchmark.study import Event, Study
from benchmark.training.memory import keep_freed_memory
from benchmark.training.runner import Runner
from models.base import Optimiser

TOLERANCE = 1e-6  # of a metric: below it nothing that a table prints can change


@dataclass(frozen=True)
class Repetition:
    """A record, and the one that its configuration and seed give here and now."""

    record: Record
    again: Record

    @property
    def gap(self) -> float:
        """Largest difference of any metric of any part; infinite where one is missing."""
        before, now = (
            {(part, name): value for part in ("valid", "test") for name, value in (getattr(record, part) or {}).items()}
            for record in (self.record, self.again)
        )
        return max(abs(before.get(key, inf) - now.get(key, inf)) for key in before.keys() | now.keys())

    @property
    def passed(self) -> bool:
        """Whether every metric came back."""
        return self.gap <= TOLERANCE


class _Nowhere:
    """A ledger that keeps nothing but the hash of what was predicted."""

    def records(self) -> list[Record]:
        return []

    def keep(self, record: Record) -> None:
        pass

    def keep_predictions(self, seed: int, logits: Logits, labels: Labels) -> str | None:
        return predictions.digest(logits, labels) if len(logits) <= predictions.LIMIT else None


def sample(folder: Path, n: int, seed: int) -> list[Record]:
    """So many of the folder's complete records, drawn with the seed. Raises RunError if it has none."""
    complete = [record for record in store.read(folder) if record.status == "complete"]
    if not complete:
        raise RunError(f"{folder} holds no complete record to train again")
    return random.Random(seed).sample(complete, min(n, len(complete)))  # noqa: S311 (no secret)


def repeat(
    record: Record, protocol: Protocol, data_dir: Path | None, device: str, on_share: Callable[[float], None]
) -> Repetition:
    """Train the record's configuration with its seed. Raises RunError where the data are not those it was made on."""
    torch.set_num_threads(record.threads or 1)
    keep_freed_memory()
    study = Study(protocol, record.dataset, record.model, record.budget, Path(), "", data_dir, device, record.devices)

    def on_event(event: Event) -> None:
        on_share(event.share)

    with Runner(study, on_event, _Nowhere()) as runner:
        if runner.data.fingerprint != record.data_fingerprint:
            raise RunError(
                f"{record.dataset} here has fingerprint {runner.data.fingerprint}, the record {record.data_fingerprint}: "
                "other data, rules or versions of the reader"
            )
        config = runner.model.Config.model_validate(record.config)
        optimiser = Optimiser.model_validate(record.optimiser)
        again = runner.train(record.kind, record.trial, record.seed, config, optimiser, params=record.params)
    return Repetition(record, again)


def table(found: list[Repetition], protocol: Protocol) -> Table:
    """The metrics recorded and now, the test part's where the record knows it, and the largest difference of any."""
    columns = [
        Column("record", numeric=False),
        Column("kind", numeric=False, narrow=False),
        Column("seed", narrow=False),
    ]
    for metric in ("auc", "logloss"):
        narrow = metric == "auc"
        columns += [Column(f"{LABEL[metric]} {when}", narrow=narrow) for when in ("recorded", "now")]
    columns += [Column("difference"), Column("verdict", numeric=False)]
    legend = (
        f"The difference is the largest of any metric of validation and test; passed: at most {TOLERANCE:g}. To the last bit: "
        "every prediction on the test part came back."
    )
    return Table("audit", "Trained again", protocol.name, tuple(columns), tuple(map(_row, found)), legend)


def _row(found: Repetition) -> tuple[Cell, ...]:
    record, again = found.record, found.again
    cells = [text(record.study), text(record.kind), text(str(record.seed))]
    before, now = (r.test or r.valid or {} for r in (record, again))
    for metric in ("auc", "logloss"):
        cells += [number(metrics.get(metric), ".6f") for metrics in (before, now)]
    if not found.passed:
        verdict = again.error or "FAILED"
    else:
        bits = record.predictions is not None and record.predictions == again.predictions
        verdict = "to the last bit" if bits else "passed"
    return (*cells, Cell("none" if found.gap == 0 else f"{found.gap:.1e}", found.gap), text(verdict))


def differences(found: list[Repetition]) -> list[str]:
    """What is another here than where the records were made, and may account for a difference."""
    lines = []
    for name, of in FIELDS.items():
        changed = {(str(of(pair.record)), str(of(pair.again))) for pair in found if of(pair.record) != of(pair.again)}
        lines += [f"{name}: {before} -> {now}" for before, now in sorted(changed)]
    return lines
