"""The audit: retrain records of a results folder and compare the metrics with the recorded ones."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path

import torch

import models
from benchmark.errors import RunError
from benchmark.findings.summary import LABEL
from benchmark.protocol import Protocol
from benchmark.records import code, predictions, store
from benchmark.records.audits import Audit
from benchmark.records.predictions import Labels, Logits
from benchmark.records.record import Record
from benchmark.reports.cells import number, text
from benchmark.reports.compare import FIELDS
from benchmark.reports.table import Cell, Column, Table
from benchmark.study import COUNTED, Event, Study
from benchmark.training.memory import keep_freed_memory
from benchmark.training.pruning import Stop, at_end_of, never
from benchmark.training.runner import Runner
from models.base import Optimiser

TOLERANCE = 1e-6  # of a metric; smaller differences change no printed digit


@dataclass(frozen=True)
class Repetition:
    """A record and its retraining on this machine, with the same configuration and seed."""

    record: Record
    again: Record

    @property
    def gap(self) -> float:
        """Largest absolute difference of any metric of any part; infinite if one record lacks a metric."""
        before, now = (
            {(part, name): value for part in ("valid", "test") for name, value in (getattr(record, part) or {}).items()}
            for record in (self.record, self.again)
        )
        return max(abs(before.get(key, inf) - now.get(key, inf)) for key in before.keys() | now.keys())

    @property
    def passed(self) -> bool:
        """Whether every metric is reproduced within TOLERANCE."""
        return self.gap <= TOLERANCE

    @property
    def audit(self) -> Audit:
        """Return the outcome, to be kept."""
        return Audit.of(self.record, self.again, self.gap, passed=self.passed)


class _NoLedger:
    """A ledger that keeps nothing and returns the hash of the predictions."""

    def records(self) -> list[Record]:
        return []

    def keep(self, record: Record) -> None:
        pass

    def keep_predictions(self, seed: int, logits: Logits, labels: Labels) -> str | None:
        return predictions.digest(logits, labels) if len(logits) <= predictions.LIMIT else None


def sample(folder: Path, n: int, seed: int, names: Sequence[str] | None = None) -> list[Record]:
    """Return a random sample of a folder's complete and pruned records.

    Raises RunError if there are none, and UnknownModel if the model of one is not known here.

    Args:
        folder: results folder.
        n: sample size; all records if there are fewer.
        seed: random seed of the sample.
        names: of the models whose records are sampled; None: all.
    """
    trained = [record for record in store.read(folder) if record.status in COUNTED]
    for name in names or ():
        if not any(record.model == name for record in trained):
            raise RunError(f"no complete records of {name} to retrain in {folder}")
    trained = [record for record in trained if names is None or record.model in names]
    if not trained:
        raise RunError(f"no complete records to retrain in {folder}")
    drawn = random.Random(seed).sample(trained, min(n, len(trained)))  # noqa: S311 (no secret)
    for record in drawn:
        models.title(record.model)
    return drawn


def repeat(record: Record, study: Study, on_share: Callable[[float], None]) -> Repetition:
    """Retrain a record's configuration with its seed, a pruned one for as many epochs as it had.

    Raises RunError if the data are not those of the record.

    Args:
        record: the record.
        study: of the record, on this machine.
        on_share: called with the share of the training that is done.
    """
    torch.set_num_threads(record.threads or 1)
    keep_freed_memory()

    def on_event(event: Event) -> None:
        on_share(event.share)

    with Runner(study, on_event, _NoLedger()) as runner:
        if runner.data.fingerprint != record.data_fingerprint:
            raise RunError(
                f"{record.dataset} has fingerprint {runner.data.fingerprint} here, {record.data_fingerprint} in the record: "
                "the data, the encoding rules or the reader differ"
            )
        config = runner.model.Config.model_validate(record.config)
        optimiser = Optimiser.model_validate(record.optimiser)
        stop: Stop = partial(at_end_of, record.epochs) if record.status == "pruned" and record.epochs else never
        again = runner.train(record.kind, record.trial, record.seed, config, optimiser, params=record.params, stop=stop)
    return Repetition(record, code.marked(again))


def table(repetitions: list[Repetition], protocol: Protocol) -> Table:
    """Return recorded and retrained metrics, of the test part where recorded, with the largest difference and a verdict."""
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
        f"Difference: the largest of any validation or test metric; passed: at most {TOLERANCE:g}. Bit for bit: every "
        "prediction on the test part is reproduced."
    )
    return Table("audit", "Retrained", protocol.name, tuple(columns), tuple(map(_row, repetitions)), legend)


def _row(repetition: Repetition) -> tuple[Cell, ...]:
    record, again = repetition.record, repetition.again
    cells = [text(record.study), text(record.kind), text(str(record.seed))]
    before, now = (r.test or r.valid or {} for r in (record, again))
    for metric in ("auc", "logloss"):
        cells += [number(metrics.get(metric), ".6f") for metrics in (before, now)]
    if not repetition.passed:
        verdict = again.error or "FAILED"
    else:
        identical = record.predictions is not None and record.predictions == again.predictions
        verdict = "bit for bit" if identical else "passed"
    return (*cells, Cell("none" if repetition.gap == 0 else f"{repetition.gap:.1e}", repetition.gap), text(verdict))


def differences(repetitions: list[Repetition]) -> list[str]:
    """Return what changed since the records were made, such as device or versions, and may explain a difference."""
    lines = []
    for name, value_in in FIELDS.items():
        pairs = {(str(value_in(pair.record)), str(value_in(pair.again))) for pair in repetitions}
        lines += [f"{name}: {before} -> {now}" for before, now in sorted(pairs) if before != now]
    return lines
