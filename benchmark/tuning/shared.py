"""Several workers at one study: sooner done where a study has many trials, but not exact: each draw depends on who is ahead.

Workers beat in the storage while they train. One that stops has its trial failed by the others, which try its parameters
again, twice at most; when it wakes, it drops its result. Records say `exact: false`. The final runs follow as ever.
"""

import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial, TrialState

from benchmark.study import Ledger, OnEvent, Study
from benchmark.tuning.resume import tell
from benchmark.tuning.sampler import SlotSampler
from benchmark.tuning.space import default_parameters
from benchmark.tuning.storage import connect, open_study
from benchmark.tuning.tuner import Tuner

BEAT_SECONDS = 20  # between the signs of life of a worker
POLL_SECONDS = 1.0  # while the last trials are other workers'


class TrialNumberSampler(SlotSampler):
    """A SlotSampler whose slot is the trial's number, which the storage gives to one worker only."""

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Go to the trial's slot."""
        self.next_slot(trial.number)


def tune_together(study: Study, on_event: OnEvent, ledger: Ledger, beat_seconds: int = BEAT_SECONDS) -> None:
    """Run trials beside other workers until the study has the asked number of complete ones."""
    warnings.simplefilter("ignore", ExperimentalWarning)  # of Optuna's heartbeats
    search = study.protocol.search
    sampler = TrialNumberSampler(search.sampler, search.seed, default_parameters(study))
    shared, storage = open_study(study, sampler, heartbeat=beat_seconds), connect(study, beat_seconds)
    with Tuner(study, on_event, ledger) as tuner:
        while True:
            optuna.storages.fail_stale_trials(shared)
            states = [trial.state for trial in shared.get_trials(deepcopy=False)]
            complete, running = states.count(TrialState.COMPLETE), states.count(TrialState.RUNNING)
            if complete >= search.trials:
                return
            if complete + running >= search.trials:
                time.sleep(POLL_SECONDS)
                continue
            trial = shared.ask()
            seen = {record.seed for record in ledger.records() if record.kind == "trial" and record.config}
            with _beating(storage, trial, beat_seconds):
                record = tuner.trial(shared, trial, trial.number, seen).model_copy(update={"exact": False})
            if shared.get_trials(deepcopy=False)[trial.number].state != TrialState.RUNNING:
                warnings.warn(
                    f"{study.name}: trial {trial.number} was given up for lost; its result is dropped", stacklevel=1
                )
                continue
            trial.set_user_attr("slot", trial.number)
            tuner.runner.keep(record)
            tell(shared, trial.number, record, study.protocol.training.monitor)


@contextmanager
def _beating(storage: optuna.storages.RDBStorage, trial: optuna.Trial, seconds: int) -> Iterator[None]:
    """Give signs of life of the trial's worker to the storage."""
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
