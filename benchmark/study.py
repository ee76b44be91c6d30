"""One study of a protocol, what its records say is left of it, and what it tells the screen. Imports no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import inf
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING
from typing import Protocol as Interface

from benchmark.protocol import Protocol
from benchmark.records import store
from benchmark.records.record import Kind, Record

if TYPE_CHECKING:
    from benchmark.records.predictions import Labels, Logits

DRAWS_PER_TRIAL = 20  # a study gives up after so many draws for each trial it was asked for
LOSSES_ALLOWED = 2  # deaths of worker processes after which a training is recorded as failed and not tried again


class Ledger(Interface):
    """Where a study's records are kept: its results folder, or the one on the leading machine of a cluster."""

    def records(self) -> list[Record]:
        """Return the study's records."""
        ...

    def keep(self, record: Record) -> None:
        """Append a record."""
        ...

    def keep_predictions(self, seed: int, logits: "Logits", labels: "Labels") -> str | None:
        """Keep a final run's test predictions and return their hash; None if there are too many to keep."""
        ...


@dataclass(frozen=True)
class Study:
    """One (data set, model, budget) of a protocol, and where its results and state go."""

    protocol: Protocol
    dataset: str
    model: str
    budget: float  # training MFLOP per example
    results: Path
    storage: str  # Optuna storage URL
    data_dir: Path | None = None
    device: str = "cpu"
    devices: int = 1  # that train one model together
    run: str = ""  # the command that runs it; a trial lost while its command lives counts against the trial
    namespace: str = ""  # of the results folder in a storage that several folders share
    identity: str = ""  # of the protocol that the folder began with, where a change was accepted
    accepted: tuple[str, ...] = ()  # those changes

    @property
    def storage_name(self) -> str:
        """Its name in the storage."""
        return f"{self.namespace} {self.name}".strip()

    @property
    def protocol_id(self) -> str:
        """What its records must have in common to share a table."""
        return self.identity or self.protocol.identity()

    @property
    def name(self) -> str:
        """Its name on the screen."""
        return f"{self.dataset}/{self.model}/{self.budget:g}"

    def records(self) -> list[Record]:
        """Its records so far."""
        return store.of_study(self.results, self.dataset, self.model, self.budget)

    def keep(self, record: Record) -> None:
        """Add a record."""
        store.append(self.results, record)

    def keep_predictions(self, seed: int, logits: "Logits", labels: "Labels") -> str | None:
        """Keep those of a final run on the test part; their hash, None if there are too many."""
        from benchmark.records import predictions

        path = predictions.prediction_file(self.results, self.dataset, self.model, self.budget, seed)
        return predictions.write(path, logits, labels)

    def runs_left(self) -> int:
        """How many trainings it still needs; infeasible and repeated draws cost none."""
        done, search = self.records(), self.protocol.search
        n_seeds, n_retrials = len(self.protocol.final.seeds), search.n_retrials
        if missing := missing_trials(of_kind(done, "trial"), self.protocol):
            return missing + n_retrials + n_seeds
        if missing := len(missing_retrials(done, self.protocol)):
            return missing + n_seeds
        best = winner(done, self.protocol)
        return len(missing_seeds(done, best, self.protocol)) if best else 0


@dataclass(frozen=True)
class Event:
    """What a running study tells the display."""

    study: str
    kind: Kind
    number: int  # of the trial, or the seed of the final run
    share: float  # of this run's steps done
    finished: Record | None = None


OnEvent = Callable[[Event], None]


def missing_trials(trials: list[Record], protocol: Protocol) -> int:
    """How many complete trials a study still lacks; none once too many draws have come to nothing."""
    if len(trials) >= protocol.search.trials * DRAWS_PER_TRIAL:
        return 0
    return max(0, protocol.search.trials - sum(record.status == "complete" for record in trials))


def missing_seeds(done: list[Record], best: Record, protocol: Protocol) -> list[int]:
    """Seeds of the final runs of the best trial that have no record yet."""
    finished = {record.seed for record in done if record.kind == "final" and record.trial == best.trial}
    return [seed for seed in protocol.final.seeds if seed not in finished]


def of_kind(done: list[Record], kind: Kind) -> list[Record]:
    """The records of one kind."""
    return [record for record in done if record.kind == kind]


def finalists(done: list[Record], protocol: Protocol) -> list[Record]:
    """The complete trials with the best monitored validation metric, best first, the earliest of equals."""
    complete = [record for record in of_kind(done, "trial") if record.status == "complete" and record.valid]
    return sorted(complete, key=lambda r: (_loss(r, protocol), r.trial))[: protocol.search.finalists]


def missing_retrials(done: list[Record], protocol: Protocol) -> list[tuple[Record, int]]:
    """Finalists and the seeds with which they have not been trained again; none where there is but one."""
    if protocol.search.n_retrials == 0:
        return []
    finished = {(record.trial, record.seed) for record in of_kind(done, "retrial")}
    pairs = product(finalists(done, protocol), protocol.search.retrial_seeds)
    return [(trial, seed) for trial, seed in pairs if (trial.trial, seed) not in finished]


def winner(done: list[Record], protocol: Protocol) -> Record | None:
    """The finalist with the best mean validation metric over its retrials, the better trial of equals.

    The trials' own results count no more once there are retrials: being the best of many, they flatter. A finalist that
    failed a retrial comes behind those that did not. Without retrials the best trial wins.
    """
    losses: dict[int, list[float]] = {}
    for record in of_kind(done, "retrial"):
        losses.setdefault(record.trial, []).append(_loss(record, protocol) if record.status == "complete" else inf)
    return min(
        finalists(done, protocol),
        key=lambda r: fmean(losses[r.trial]) if r.trial in losses else _loss(r, protocol),
        default=None,
    )


def _loss(record: Record, protocol: Protocol) -> float:
    """The monitored validation metric, the smaller the better."""
    value = (record.valid or {})[protocol.training.monitor]
    return -value if protocol.training.monitor == "auc" else value
