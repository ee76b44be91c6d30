"""Resume after an interruption: bring the storage into line with the records and count lost trainings."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from benchmark.records.record import Kind, Record
from benchmark.study import Study
from benchmark.tuning.attributes import of_trial
from benchmark.tuning.storage import delete_study, open_study

WORKER = uuid4().hex  # identifies this process; process ids of several machines may coincide

Space = Callable[[dict[str, Any]], dict[str, BaseDistribution]]  # search space for the given parameters


def losses(optuna_study: optuna.Study, kind: Kind, number: str, run: str) -> int:
    """Return how often this training was lost before, and note that this process starts it now.

    A training is lost if another worker of the same run started it and left no record: that worker died alone. If the whole
    run was interrupted, by Ctrl-C, a reboot or a lost allocation, the training is not counted as lost.

    Args:
        optuna_study: where attempts are noted.
        kind: trial, retrial or final.
        number: what identifies the training among those of its kind.
        run: id of the running command.
    """
    key = f"attempt {kind} {number}"
    last = optuna_study.user_attrs.get(key, {"run": None, "worker": None, "losses": 0})
    died_alone = last["run"] == run and last["worker"] != WORKER
    count = last["losses"] + int(died_alone)
    optuna_study.set_user_attr(key, {"run": run, "worker": WORKER, "losses": count})
    return count


def resumed(
    study: Study, sampler: optuna.samplers.BaseSampler | None, trials: dict[int, Record], space: Space
) -> optuna.Study:
    """Return the Optuna study with exactly the recorded trials; unfinished ones are marked failed.

    A study that holds a complete or pruned trial without a record, or another search space, is deleted and rebuilt.

    Args:
        study: whose state is resumed.
        sampler: of the Optuna study.
        trials: records of the trials, by slot.
        space: search space for the parameters of a trial.
    """
    optuna_study = open_study(study, sampler)
    monitor = study.protocol.training.monitor
    stored = optuna_study.get_trials(deepcopy=False)
    if not all(_agrees(frozen, trials.get(_slot(frozen)), monitor, space) for frozen in stored):
        delete_study(study)
        optuna_study = open_study(study, sampler)
    up_to_date = set()
    for frozen in optuna_study.get_trials(deepcopy=False):
        record = trials.get(_slot(frozen))
        if not frozen.state.is_finished():
            optuna_study.tell(frozen.number, state=TrialState.FAIL)
        elif record and frozen.state == _state(record):
            up_to_date.add(record.trial)
    for slot, record in sorted(trials.items()):
        if slot not in up_to_date:
            optuna_study.add_trial(_frozen(record, monitor, space))
    return optuna_study


def renumbered(study: Study, trials: dict[int, Record], space: Space) -> None:
    """Rebuild the Optuna study so that each trial's number is its slot, with failed trials in the gaps.

    Args:
        study: whose state is rebuilt.
        trials: records of the trials, by slot.
        space: search space for the parameters of a trial.
    """
    delete_study(study)
    optuna_study = open_study(study)
    monitor = study.protocol.training.monitor
    for slot in range(max(trials, default=-1) + 1):
        gap = optuna.trial.create_trial(state=TrialState.FAIL)
        optuna_study.add_trial(_frozen(trials[slot], monitor, space) if slot in trials else gap)


def tell(optuna_study: optuna.Study, trial: optuna.Trial, record: Record, monitor: str) -> None:
    """Finish a running trial with the result in its record.

    Args:
        optuna_study: that the trial belongs to.
        trial: as asked from the study.
        record: of the trial.
        monitor: name of the monitored validation metric.
    """
    for epoch, value in _intermediate(record, monitor).items():
        trial.report(value, epoch)
    for name, value in of_trial(record).items():
        trial.set_user_attr(name, value)
    # Optuna takes the value of a pruned trial from what was reported
    optuna_study.tell(trial, _value(record, monitor) if record.status == "complete" else None, state=_state(record))


def _slot(frozen: FrozenTrial) -> int:
    return frozen.user_attrs.get("slot", -1)


def _state(record: Record) -> TrialState:
    states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
    return states.get(record.status, TrialState.FAIL)


def _intermediate(record: Record, monitor: str) -> dict[int, float]:
    """Return the monitored metric by epoch, counted from 1."""
    return {epoch: metrics[monitor] for epoch, metrics in enumerate(record.history, start=1)}


def _value(record: Record, monitor: str) -> float | None:
    """Return the trial's value as Optuna stores it: the best of a complete trial, the last of a pruned one."""
    if record.status == "pruned":
        return record.history[-1][monitor]
    return record.valid[monitor] if record.status == "complete" and record.valid else None


def _agrees(frozen: FrozenTrial, record: Record | None, monitor: str, space: Space) -> bool:
    if frozen.state not in (TrialState.COMPLETE, TrialState.PRUNED):
        return True
    if record is None or frozen.state != _state(record):
        return False
    recorded = _frozen(record, monitor, space)
    parts = ("value", "params", "distributions", "user_attrs")
    return all(getattr(frozen, part) == getattr(recorded, part) for part in parts)


def _frozen(record: Record, monitor: str, space: Space) -> FrozenTrial:
    """Return the record as an Optuna trial; a failed one, ignored by the sampler, if it is outside the search space."""
    try:
        trial = optuna.trial.create_trial(
            state=_state(record),
            value=_value(record, monitor),
            params=record.params,
            distributions=space(record.params),
            user_attrs=of_trial(record),
            intermediate_values=_intermediate(record, monitor),
        )
    except ValueError:
        trial = optuna.trial.create_trial(state=TrialState.FAIL, user_attrs=of_trial(record))
    finished = record.finished.astimezone().replace(tzinfo=None)  # Optuna keeps local times
    trial.datetime_start, trial.datetime_complete = finished - timedelta(seconds=record.seconds or 0.0), finished
    return trial
