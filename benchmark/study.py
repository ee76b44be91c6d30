"""One study of a protocol, what its records say is left of it, and what it tells the screen. Imports no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmark import records
from benchmark.protocol import Protocol
from benchmark.records import Kind, Record

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
    keeps_predictions: bool = True  # of the test part, for comparisons over its rows

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

    def execute(self, on_event: "OnEvent") -> None:
        """Bring it to its end in this process."""
        from benchmark import tune  # with torch

        tune.run(self, on_event)

    def runs_left(self) -> int:
        """How many trainings it still needs; infeasible and repeated draws cost none."""
        done = self.records()
        trials = [record for record in done if record.kind == "trial"]
        missing = missing_trials(trials, self.protocol)
        if missing:
            return missing + len(self.protocol.final.seeds)
        best = winner(trials, self.protocol)
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


def winner(trials: list[Record], protocol: Protocol) -> Record | None:
    """The complete trial with the best monitored validation metric, the earliest of equals."""
    monitor = protocol.training.monitor
    sign = -1 if monitor == "auc" else 1
    complete = [record for record in trials if record.status == "complete" and record.valid]
    return min(complete, key=lambda r: (sign * (r.valid or {})[monitor], r.trial), default=None)
