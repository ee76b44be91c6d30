"""Pruning: one of Optuna's pruners, asked after each epoch of a trial whether the trial goes on.

A decision is a function of the curves of the block's finished trials, in order, and of the trial's own curve so far. The
pruner's state is rebuilt from them for every trial, so an interrupted block decides as an uninterrupted one does.

Only complete and pruned trials are compared with. A block's first trial has no rivals and is never pruned, so every pruned
trial was compared with a complete one, and a block always has one that can win.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import optuna
from optuna.trial import TrialState

from benchmark.protocol import Protocol
from benchmark.records.record import Record

optuna.logging.set_verbosity(optuna.logging.WARNING)  # a study is created for every trial

Curve = Sequence[float]  # monitored validation metric after each epoch
Stop = Callable[[Curve], bool]  # given the curve so far after each epoch, returns whether the training ends here

RIVALS = ("complete", "pruned")  # status of the trials that others are compared with


def pruner_of(protocol: Protocol) -> optuna.pruners.BasePruner:
    """Return Optuna's pruner for the protocol's rule; its steps are epochs, counted from 1."""
    search, first = protocol.search, protocol.first_pruning
    if search.pruner == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=first, reduction_factor=2)
    if search.pruner == "percentile":
        return optuna.pruners.PercentilePruner(
            100 * search.prune_keep, n_startup_trials=search.prune_after, n_warmup_steps=first
        )
    return optuna.pruners.NopPruner()


class Race:
    """The trials of one block in an Optuna study in memory, one after the other."""

    def __init__(self, protocol: Protocol):
        self._study = optuna.create_study(
            direction="maximize" if protocol.training.monitor == "auc" else "minimize", pruner=pruner_of(protocol)
        )
        self.start()

    def start(self) -> None:
        """Start the next trial."""
        self._trial = self._study.ask()
        self._curve: list[float] = []

    def prunes(self, value: float) -> bool:
        """Report the metric of the trial's next epoch and return whether the rule prunes it there."""
        self._curve.append(value)
        self._trial.report(value, len(self._curve))
        return self._trial.should_prune()

    def finish(self, pruned: bool) -> None:
        """End the trial, pruned or complete, and start the next."""
        state = TrialState.PRUNED if pruned else TrialState.COMPLETE
        self._study.tell(self._trial, None if pruned else self._curve[-1], state=state)
        self.start()

    def run(self, curve: Curve) -> int | None:
        """Run a trial whose curve to the end is known; return the epoch after which it is pruned, None if it is not.

        After the last epoch nothing is left to prune.
        """
        for epoch, value in enumerate(curve, start=1):
            if self.prunes(value) and epoch < len(curve):
                self.finish(pruned=True)
                return epoch
        self.finish(pruned=False)
        return None


@dataclass(frozen=True)
class Pruner:
    """Decides for one trial after each of its epochs, as a `Stop`; can be sent to other processes before its first call."""

    protocol: Protocol
    rivals: tuple[tuple[Curve, bool], ...]  # curve of each finished trial and whether it was pruned, in order

    def __call__(self, curve: Curve) -> bool:
        """Return whether the trial ends after the last epoch of its curve, having been asked after every earlier one."""
        return self._race.prunes(curve[-1])

    @cached_property
    def _race(self) -> Race:
        race = Race(self.protocol)
        for curve, pruned in self.rivals:
            for value in curve:
                race.prunes(value)
            race.finish(pruned)
        return race


def pruner(protocol: Protocol, trials: Iterable[Record]) -> Pruner:
    """Return what decides for a block's next trial.

    Args:
        protocol: of the block.
        trials: records of its trials so far.
    """
    finished = sorted((record for record in trials if record.status in RIVALS), key=lambda record: record.trial)
    return Pruner(protocol, tuple((curve_of(r, protocol), r.status == "pruned") for r in finished))


def curve_of(record: Record, protocol: Protocol) -> list[float]:
    """Return the monitored validation metric of each epoch of a record."""
    return [epoch[protocol.training.monitor] for epoch in record.history]


def never(curve: Curve) -> bool:
    """Let the training run to its end."""
    return False


def at_end_of(epochs: int, curve: Curve) -> bool:
    """Return whether the curve has this many epochs."""
    return len(curve) >= epochs
