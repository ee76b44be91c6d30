"""One block of a study, what its records show is still missing, and its progress events. Imports no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING
from typing import Protocol as Interface

from benchmark.protocol import Protocol, digest
from benchmark.records import store
from benchmark.records.record import Kind, Record, Status

if TYPE_CHECKING:
    from benchmark.records.predictions import Labels, Logits

DRAWS_PER_TRIAL = 20  # a study gives up after this many draws per requested trial
COUNTED: tuple[Status, ...] = ("complete", "pruned")  # of the trials that a search asks for
STALL_MINUTES = 30.0  # without a further batch of any part; the longest step must be shorter
LOSSES_ALLOWED = 2  # worker deaths after which a training is recorded as failed and not retried


class Ledger(Interface):
    """Where a study's records are kept: its results folder, or that on the leading machine of a cluster."""

    def records(self) -> list[Record]:
        """Return the study's records so far."""
        ...

    def keep(self, record: Record) -> None:
        """Append a record."""
        ...

    def keep_predictions(self, seed: int, logits: "Logits", labels: "Labels") -> str | None:
        """Keep a final run's test predictions and return their hash; None if there are too many to keep.

        Args:
            seed: of the final run.
            logits: (N,), in the order of the test part.
            labels: (N,).
        """
        ...


@dataclass(frozen=True)
class Study:
    """One block of a (data set, model, budget) of a protocol, and where its results and state are kept."""

    protocol: Protocol
    dataset: str
    model: str
    budget: float  # training MFLOP per example
    results: Path
    storage: str  # Optuna storage URL
    data_dir: Path | None = None
    device: str = "cpu"
    devices: int = 1  # number of devices that train one model together
    block: int = 1  # which of the independent searches, counted from 1
    run: str = ""  # id of the running command; a training lost while that command is alive counts against the training
    namespace: str = ""  # of the results folder, in a storage shared by several folders
    identity: str = ""  # identity of the folder's first protocol, if a change was accepted since
    accepted: tuple[str, ...] = ()  # changes accepted by the user
    keep_weights: bool = False  # of final runs, in `weights_folder`
    stall_seconds: float = 60 * STALL_MINUTES  # without a further batch, after which a training is given up

    @property
    def storage_name(self) -> str:
        """Return the study's name in the storage."""
        return f"{self.namespace} {self.name}".strip()

    @property
    def protocol_id(self) -> str:
        """Return the protocol identity that records must share to appear in one table."""
        return self.identity or self.protocol.identity()

    @property
    def name(self) -> str:
        """Return the name of the block as displayed; no other block of the protocol has it."""
        return f"{self.cell} block {self.block}"

    @property
    def cell(self) -> str:
        """Return the name that all blocks of a data set, model and budget share."""
        return f"{self.dataset}/{self.model}/{self.budget:g}"

    @property
    def draws(self) -> tuple[object, ...]:
        """Key of its random draws and seeds: no two blocks share any, so that no lucky draw favours a model everywhere."""
        return (self.protocol.search.seed, self.dataset, self.model, self.budget, self.block)

    @property
    def final_seeds(self) -> list[int]:
        """Return the seeds of the block's final runs."""
        return [self._seed(seed) for seed in self.protocol.final.seeds]

    @property
    def retrial_seeds(self) -> list[int]:
        """Return the seeds with which the block's finalists are trained again."""
        return [self._seed(seed) for seed in self.protocol.search.retrial_seeds]

    def _seed(self, seed: int) -> int:
        """Return the seed of training that stands for one of the protocol's seeds in this block."""
        return int(digest([*self.draws, seed]), 16) % 2**31

    def records(self) -> list[Record]:
        """Return the block's records so far."""
        return store.of_study(self.results, self.dataset, self.model, self.budget, self.block)

    def keep(self, record: Record) -> None:
        """Append a record."""
        store.append(self.results, record)

    def keep_predictions(self, seed: int, logits: "Logits", labels: "Labels") -> str | None:
        """Keep a final run's test predictions and return their hash; None if there are too many to keep.

        Args:
            seed: of the final run.
            logits: (N,), in the order of the test part.
            labels: (N,).
        """
        from benchmark.records import predictions

        path = predictions.prediction_file(self.results, self.dataset, self.model, self.budget, seed)
        return predictions.write(path, logits, labels)

    def weights_folder(self, seed: int) -> Path | None:
        """Return where the weights of a final run are kept; None if they are not."""
        folder = self.results / "weights" / self.dataset / self.model / f"{self.budget:g}" / str(seed)
        return folder if self.keep_weights else None

    def runs_left(self) -> int:
        """Return how many trainings are missing; infeasible and duplicate draws need none."""
        records, search = self.records(), self.protocol.search
        n_seeds, n_retrials = len(self.protocol.final.seeds), search.n_retrials
        if missing := missing_trials(of_kind(records, "trial"), self.protocol):
            return missing + n_retrials + n_seeds
        if missing := len(self.missing_retrials(records)):
            return missing + n_seeds
        best = winner(records, self.protocol)
        return len(self.missing_seeds(records, best)) if best else 0

    def missing_seeds(self, records: list[Record], best: Record) -> list[int]:
        """Return the seeds of the final runs that have no record yet; none if as many other seeds were used, as in 0.1.

        Args:
            records: of the block.
            best: the trial that won the search.
        """
        finished = {record.seed for record in of_kind(records, "final") if record.trial == best.trial}
        return _left(self.final_seeds, finished)

    def missing_retrials(self, records: list[Record]) -> list[tuple[Record, int]]:
        """Return the retrials that have no record yet as (finalist, seed); none if the protocol has a single finalist."""
        missing: list[tuple[Record, int]] = []
        for trial in finalists(records, self.protocol) if self.protocol.search.n_retrials else []:
            finished = {record.seed for record in of_kind(records, "retrial") if record.trial == trial.trial}
            missing += [(trial, seed) for seed in _left(self.retrial_seeds, finished)]
        return missing


@dataclass(frozen=True)
class Event:
    """Progress of a running study, for the display."""

    study: str
    kind: Kind
    number: int  # of the trial; the seed of a retrial or final run
    share: float  # fraction of this run's steps that are done
    finished: Record | None = None


OnEvent = Callable[[Event], None]


def missing_trials(trials: list[Record], protocol: Protocol) -> int:
    """Return how many complete or pruned trials are missing; 0 once the study has used up its draws or its search space."""
    exhausted = any(record.status == "exhausted" for record in trials)
    if exhausted or len(trials) >= protocol.search.trials * DRAWS_PER_TRIAL:
        return 0
    return max(0, protocol.search.trials - sum(record.status in COUNTED for record in trials))


def _left(seeds: list[int], finished: set[int]) -> list[int]:
    """Return the seeds not finished, as many as complete their number: runs with other seeds count, too."""
    return [seed for seed in seeds if seed not in finished][: max(0, len(seeds) - len(finished))]


def of_kind(records: list[Record], kind: Kind) -> list[Record]:
    """Return the records of one kind."""
    return [record for record in records if record.kind == kind]


def finalists(records: list[Record], protocol: Protocol) -> list[Record]:
    """Return the complete trials with the best monitored validation metric, best first; ties go to the earlier trial."""
    complete = [record for record in of_kind(records, "trial") if record.status == "complete" and record.valid]
    return sorted(complete, key=lambda r: (_loss(r, protocol), r.trial))[: protocol.search.finalists]


def winner(records: list[Record], protocol: Protocol) -> Record | None:
    """Return the finalist with the best mean validation metric over its retrials; ties go to the better trial.

    Once there are retrials, the trials' own results no longer count: the best of many is biased upwards. A finalist with a
    failed retrial ranks behind those without. If there are no retrials, the best trial wins.
    """
    losses: dict[int, list[float]] = {}
    for record in of_kind(records, "retrial"):
        losses.setdefault(record.trial, []).append(_loss(record, protocol) if record.status == "complete" else inf)
    return min(
        finalists(records, protocol),
        key=lambda r: fmean(losses[r.trial]) if r.trial in losses else _loss(r, protocol),
        default=None,
    )


def _loss(record: Record, protocol: Protocol) -> float:
    """Return the monitored validation metric, negated if larger is better."""
    value = (record.valid or {})[protocol.training.monitor]
    return -value if protocol.training.monitor == "auc" else value
