"""Going on after an interruption: the storage made to agree with the records, and lost attempts counted."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from benchmark.records.record import Kind, Record
from benchmark.study import Study
from benchmark.tuning.storage import delete_study, open_study

WORKER = uuid4().hex  # this process, where process ids of several machines may be equal

Space = Callable[[dict[str, Any]], dict[str, BaseDistribution]]  # of the parameters that a trial was given


def losses(optuna_study: optuna.Study, kind: Kind, number: str, run: str) -> int:
    """How often this training was lost before; marks that this process begins it now.

    It was lost if another worker of the same run began it and left no record: that worker died alone. A training that was
    interrupted together with its whole run, by Ctrl-C, a reboot or a lost allocation, is not to blame.
    """
    key = f"attempt {kind} {number}"
    before = optuna_study.user_attrs.get(key, {"run": None, "worker": None, "losses": 0})
    died_alone = before["run"] == run and before["worker"] != WORKER
    count = before["losses"] + int(died_alone)
    optuna_study.set_user_attr(key, {"run": run, "worker": WORKER, "losses": count})
    return count


def resumed(
    study: Study, sampler: optuna.samplers.BaseSampler | None, trials: dict[int, Record], space: Space
) -> optuna.Study:
    """The Optuna study with exactly the recorded trials; what the storage has beyond them was lost and is failed.

    A storage with a complete trial that the records do not have, or with another search space, is made anew.
    """
    found = open_study(study, sampler)
    monitor = study.protocol.training.monitor
    if not all(
        _agrees(frozen, trials.get(_slot(frozen)), monitor, space) for frozen in found.get_trials(deepcopy=False)
    ):
        delete_study(study)
        found = open_study(study, sampler)
    known = set()
    for frozen in found.get_trials(deepcopy=False):
        record = trials.get(_slot(frozen))
        if not frozen.state.is_finished():
            tell(found, frozen.number, record, monitor)
        if record and (frozen.state == _state(record) or not frozen.state.is_finished()):
            known.add(record.trial)
    for slot, record in sorted(trials.items()):
        if slot not in known:
            found.add_trial(_frozen(record, monitor, space))
    return found


def renumbered(study: Study, trials: dict[int, Record], space: Space) -> None:
    """Make the storage anew so that each trial's number is its slot, with failed trials in the holes."""
    delete_study(study)
    found = open_study(study)
    for slot in range(max(trials, default=-1) + 1):
        hole = optuna.trial.create_trial(state=TrialState.FAIL)
        found.add_trial(_frozen(trials[slot], study.protocol.training.monitor, space) if slot in trials else hole)


def tell(optuna_study: optuna.Study, number: int, record: Record | None, monitor: str) -> None:
    """Close an open trial with what its record says; without a record it was lost."""
    if record is not None and record.status == "complete" and record.valid:
        optuna_study.tell(number, record.valid[monitor])
    else:
        optuna_study.tell(number, state=TrialState.FAIL)


def _slot(frozen: FrozenTrial) -> int:
    return frozen.user_attrs.get("slot", -1)


def _state(record: Record) -> TrialState:
    return TrialState.COMPLETE if record.status == "complete" else TrialState.FAIL


def _agrees(frozen: FrozenTrial, record: Record | None, monitor: str, space: Space) -> bool:
    if frozen.state != TrialState.COMPLETE:
        return True
    return (
        record is not None
        and record.valid is not None
        and (frozen.value, frozen.params) == (record.valid[monitor], record.params)
        and frozen.distributions == _frozen(record, monitor, space).distributions
    )


def _frozen(record: Record, monitor: str, space: Space) -> FrozenTrial:
    """The record as Optuna holds it; one that the search space no longer allows teaches the sampler nothing."""
    try:
        return optuna.trial.create_trial(
            state=_state(record),
            value=record.valid[monitor] if record.valid and record.status == "complete" else None,
            params=record.params,
            distributions=space(record.params),
            user_attrs={"slot": record.trial},
        )
    except ValueError:
        return optuna.trial.create_trial(state=TrialState.FAIL, user_attrs={"slot": record.trial})
