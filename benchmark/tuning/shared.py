"""Several workers on one study: faster if it has many trials, but not exact, since each draw depends on which finished first.

Workers send heartbeats to the storage while they train. If one stops, the others mark its trial as failed and retry its
parameters, at most twice; if it wakes up again, it drops its result. Records say `exact: false`. Retrials and final runs are
not shared.
"""

import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial, TrialState

from benchmark.study import Ledger, OnEvent, Study, missing_trials, of_kind
from benchmark.tuning.resume import tell
from benchmark.tuning.sampler import SlotSampler, startup_trials
from benchmark.tuning.space import default_parameters, distributions, exhausted, fixed_parameters, size
from benchmark.tuning.storage import connect, open_study
from benchmark.tuning.tuner import Tuner

HEARTBEAT_SECONDS = 20  # between a worker's heartbeats in the storage
POLL_SECONDS = 1.0  # while other workers run the last trials


class TrialNumberSampler(SlotSampler):
    """A SlotSampler whose slot is the trial's number, which the storage gives to one worker only."""

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Set the slot to the trial's number."""
        self.next_slot(trial.number)


def tune_together(study: Study, on_event: OnEvent, ledger: Ledger, heartbeat_seconds: int = HEARTBEAT_SECONDS) -> None:
    """Run trials alongside other workers until the study has the requested number of complete and pruned ones.

    A trial is compared with those that were finished when it started.

    Args:
        study: the study to tune.
        on_event: called with the progress of every training.
        ledger: where the records are kept.
        heartbeat_seconds: between this worker's heartbeats in the storage.
    """
    warnings.simplefilter("ignore", ExperimentalWarning)  # Optuna's heartbeats are experimental
    search = study.protocol.search
    storage = connect(study, heartbeat_seconds)
    with Tuner(study, on_event, ledger) as tuner:
        fixed = fixed_parameters(study, tuner.runner.budget, tuner.runner.data.recipe)
        sampler = TrialNumberSampler(search.sampler, study.draws, fixed, startup_trials(search.trials))
        points = size(distributions(default_parameters(study, tuner.runner.budget), study, tuner.runner.budget))
        shared = open_study(study, sampler, heartbeat=heartbeat_seconds)
        while True:
            optuna.storages.fail_stale_trials(shared)
            states = [trial.state for trial in shared.get_trials(deepcopy=False)]
            done = states.count(TrialState.COMPLETE) + states.count(TrialState.PRUNED)
            earlier = of_kind(ledger.records(), "trial")
            if done >= search.trials or missing_trials(earlier, study.protocol) == 0:
                return
            if reason := exhausted(earlier, points):
                tuner.runner.keep(tuner.runner.record("trial", len(states), 0, status="exhausted", error=reason))
                return
            if done + states.count(TrialState.RUNNING) >= search.trials:
                time.sleep(POLL_SECONDS)
                continue
            trial = shared.ask()
            with _heartbeats(storage, trial, heartbeat_seconds):
                record = tuner.trial(shared, trial, trial.number, earlier).model_copy(update={"exact": False})
            if shared.get_trials(deepcopy=False)[trial.number].state != TrialState.RUNNING:
                warnings.warn(
                    f"{study.name}: trial {trial.number} had been given up as lost; its result is dropped", stacklevel=1
                )
                continue
            trial.set_user_attr("slot", trial.number)
            tuner.runner.keep(record)
            tell(shared, trial, record, study.protocol.training.monitor)


@contextmanager
def _heartbeats(storage: optuna.storages.RDBStorage, trial: optuna.Trial, seconds: int) -> Iterator[None]:
    """Send heartbeats of the trial's worker to the storage."""
    over = threading.Event()

    def beat() -> None:
        while True:
            storage.record_heartbeat(trial._trial_id)
            if over.wait(seconds):
                return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
