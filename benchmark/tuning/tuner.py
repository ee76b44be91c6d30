"""One study: tune one model on one data set at one budget, then do the final runs of its winner.

The records are the state: a trial is recorded first and reported to Optuna afterwards, and a storage that is missing or
behind is brought up to date from the records before the study resumes. Every draw depends only on the study's seed, the
trial's position and the trials before it, so an interrupted study ends exactly as an uninterrupted one.
"""

from functools import partial
from types import TracebackType
from typing import Self

import optuna

from benchmark import budget as budgets
from benchmark.protocol import digest
from benchmark.records.record import Kind, Record
from benchmark.study import Ledger, OnEvent, Study, missing_trials, winner
from benchmark.training.pruning import Stop, never, pruner
from benchmark.training.runner import Runner
from benchmark.tuning import storage
from benchmark.tuning.resume import losses, resumed, tell
from benchmark.tuning.sampler import SlotSampler, startup_trials
from benchmark.tuning.space import default_parameters, distributions, drawn, exhausted, fixed_parameters, size
from models.base import Config, Optimiser


def run(study: Study, on_event: OnEvent = lambda event: None, ledger: Ledger | None = None) -> None:
    """Finish a study: the requested number of trials, then the final runs of the best.

    If the database cannot be reached, wait and try again; it is brought up to date from the records. Raises RunError if it
    stays out of reach.

    Args:
        study: the study to finish.
        on_event: called with the progress of every training.
        ledger: where the records are kept; the study's own results folder if None.
    """
    with Tuner(study, on_event, ledger or study) as tuner:
        storage.patiently(tuner.run, lambda: len(tuner.ledger.records()), study.storage)


class Tuner:
    """The search of one study, its retrials and its final runs.

    Args:
        study: the study to finish.
        on_event: called with the progress of every training.
        ledger: where the records are kept.
    """

    def __init__(self, study: Study, on_event: OnEvent, ledger: Ledger):
        self.study, self.ledger = study, ledger
        self.protocol = study.protocol
        self.runner = Runner(study, on_event, ledger)

    def __enter__(self) -> Self:
        self.runner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.runner.__exit__(kind, error, trace)

    def run(self) -> None:
        """Run what is missing: trials, retrials of the finalists, then final runs of the winner."""
        records = self.ledger.records()
        trials = {record.trial: record for record in records if record.kind == "trial"}
        self._tune(trials)
        records = [*trials.values(), *(record for record in records if record.kind != "trial")]
        records += self._train_again("retrial", self.study.missing_retrials(records))
        best = winner(records, self.protocol)
        if best is not None:
            self._train_again("final", [(best, seed) for seed in self.study.missing_seeds(records, best)])

    def _tune(self, trials: dict[int, Record]) -> None:
        """Run the missing trials and add their records to `trials`."""
        if missing_trials(list(trials.values()), self.protocol) == 0:
            return
        runner = self.runner
        fixed = fixed_parameters(self.study, runner.budget, runner.data.recipe)
        search = self.protocol.search
        sampler = SlotSampler(search.sampler, self.study.draws, fixed, startup_trials(search.trials))
        space = partial(distributions, study=self.study, budget=self.runner.budget)
        points = size(space(default_parameters(self.study, runner.budget)))
        optuna_study = resumed(self.study, sampler, trials, space)
        while missing_trials(list(trials.values()), self.protocol):
            slot = max(trials, default=-1) + 1
            if reason := exhausted(trials.values(), points):
                trials[slot] = runner.record("trial", slot, 0, status="exhausted", error=reason)
                self.runner.keep(trials[slot])
                break
            sampler.next_slot(slot)
            trial = optuna_study.ask()
            trial.set_user_attr("slot", slot)
            record = self.trial(optuna_study, trial, slot, list(trials.values()))
            self.runner.keep(record)
            trials[slot] = record
            tell(optuna_study, trial, record, self.protocol.training.monitor)

    def trial(self, optuna_study: optuna.Study, trial: optuna.Trial, slot: int, earlier: list[Record]) -> Record:
        """Run a trial and return its record; it is not trained if no shape meets the budget or it repeats an earlier trial.

        Args:
            optuna_study: the study in Optuna's storage.
            trial: the trial to run, as asked from Optuna.
            slot: its position in the study.
            earlier: records of the trials finished so far; equal seeds mean equal configurations.
        """
        runner = self.runner
        try:
            config, optimiser = drawn(trial, self.study, runner.budget)
        except budgets.Infeasible as error:
            return runner.record("trial", slot, 0, status="infeasible", error=str(error), params=trial.params)
        seed = trial_seed(self.study, config, optimiser)
        if seed in {record.seed for record in earlier if record.config}:
            return runner.record(
                "trial", slot, seed, config, optimiser, status="duplicate", error="drawn before", params=trial.params
            )
        lost = losses(optuna_study, "trial", str(slot), self.study.run)
        stop: Stop = pruner(self.protocol, earlier) if self.protocol.search.pruner != "none" else never
        return runner.train("trial", slot, seed, config, optimiser, params=trial.params, lost=lost, stop=stop)

    def _train_again(self, kind: Kind, runs: list[tuple[Record, int]]) -> list[Record]:
        """Train the configurations of trials with other seeds, and keep and return the records."""
        if not runs:
            return []
        optuna_study, records = storage.open_study(self.study), []
        for trial, seed in runs:
            config = self.runner.model.Config.model_validate(trial.config)
            optimiser = Optimiser.model_validate(trial.optimiser)
            lost = losses(optuna_study, kind, f"{seed} of trial {trial.trial}", self.study.run)
            record = self.runner.train(kind, trial.trial, seed, config, optimiser, params=trial.params, lost=lost)
            self.runner.keep(record)
            records.append(record)
        return records


def trial_seed(study: Study, config: Config, optimiser: Optimiser) -> int:
    """Return the seed of a trial's training, a function of the study's draws and of the settings that are not defaults.

    Options added by later versions therefore leave it unchanged.

    Args:
        study: whose block the trial belongs to.
        config: the architecture.
        optimiser: settings of the optimiser.
    """
    chosen = [value.model_dump(mode="json", exclude_defaults=True) for value in (config, optimiser)]
    return int(digest([*study.draws, *chosen]), 16) % 2**31
