"""One study of a protocol, what its records say is left of it, and what it tells the screen. Imports no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import inf
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from benchmark import records
from benchmark.protocol import Protocol
from benchmark.records import Kind, Record

if TYPE_CHECKING:
    from benchmark.predictions import Labels, Logits

DRAWS_PER_TRIAL = 20  # draws that may come to nothing, for each trial asked for, before the study gives up


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
        return records.of_study(self.results, self.dataset, self.model, self.budget)

    def keep(self, record: Record) -> None:
        """Add a record."""
        records.append(self.results, record)

    def keep_predictions(self, seed: int, logits: "Logits", labels: "Labels") -> str | None:
        """Keep those of a final run on the test part; their hash, None if there are too many."""
        from benchmark import predictions

        path = predictions.prediction_file(self.results, self.dataset, self.model, self.budget, seed)
        return predictions.write(path, logits, labels)

    def execute(self, on_event: "OnEvent") -> None:
        """Bring it to its end in this process."""
        from benchmark import tune  # with torch

        tune.run(self, on_event)

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


def status_lines(protocol: Protocol, results: Path) -> list[str]:
    """For each study of a protocol how many trials and final runs it has; the sum first."""
    lines, done, total = [], 0, 0
    for dataset in protocol.datasets:
        for model in protocol.models:
            for budget in protocol.budgets:
                study = Study(protocol, dataset, model, budget, results, "")
                kinds = [(record.kind, record.status) for record in study.records()]
                n_trials, n_finals = (kinds.count((kind, "complete")) for kind in ("trial", "final"))
                n_failed = sum(status == "failed" for _, status in kinds)
                left = study.runs_left()
                done, total = done + (left == 0), total + 1
                lines.append(
                    f"{study.name}: {n_trials}/{protocol.search.trials} trials, "
                    f"{n_finals}/{len(protocol.final.seeds)} seeds, {n_failed} failed, "
                    + ("finished" if left == 0 else f"{left} runs to go")
                )
    return [f"{protocol.name}: {done} of {total} studies finished", *lines]


@dataclass(frozen=True)
class Progress:
    """What a running study tells the screen."""

    study: str
    kind: Kind
    number: int  # of the trial, or the seed of the final run
    share: float  # of this run's steps done
    finished: Record | None = None


OnEvent = Callable[[Progress], None]


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
