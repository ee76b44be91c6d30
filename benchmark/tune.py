"""One study: one model tuned on one data set at one budget, then its winner's final runs.

The records are the state: a trial is recorded first and told to Optuna afterwards, and a study whose storage is missing or
behind is brought up to its records before it goes on. Every draw depends only on the study's seed, the trial's position
and the trials before it, so that an interrupted study ends as an uninterrupted one does.
"""

from functools import partial

import optuna

from benchmark import budget as budgets
from benchmark import storage
from benchmark.protocol import Protocol, digest
from benchmark.records import Kind, Record
from benchmark.resume import losses, resumed, tell
from benchmark.runner import Ledger, Runner
from benchmark.sampler import SlotSampler
from benchmark.space import default_parameters, distributions, suggest_optimiser
from benchmark.study import OnEvent, Study, missing_retrials, missing_seeds, missing_trials, winner
from models.base import Config, Optimiser


def run(study: Study, on_event: OnEvent = lambda event: None, ledger: Ledger | None = None) -> None:
    """Bring a study to its end: the asked number of complete trials, then the final runs of the best.

    A database out of reach is waited for; what was done meanwhile is told to it afterwards. Raises RunError when it stays
    away.
    """
    with Tuner(study, on_event, ledger or study) as tuner:
        storage.patiently(tuner.run, lambda: len(tuner.ledger.records()), study.storage)


class Tuner(Runner):
    """The search of one study and what follows it."""

    def run(self) -> None:
        """Trials, retrials of the finalists, then final runs of the winner."""
        done = self.ledger.records()
        trials = {record.trial: record for record in done if record.kind == "trial"}
        self._tune(trials)
        done = [*trials.values(), *(record for record in done if record.kind != "trial")]
        done += self._again("retrial", missing_retrials(done, self.protocol))
        best = winner(done, self.protocol)
        if best is not None:
            self._again("final", [(best, seed) for seed in missing_seeds(done, best, self.protocol)])

    def _tune(self, trials: dict[int, Record]) -> None:
        """Run what is missing of the asked number of complete trials; adds their records to `trials`."""
        if missing_trials(list(trials.values()), self.protocol) == 0:
            return
        sampler = SlotSampler(self.protocol.search.sampler, self.protocol.search.seed, default_parameters(self.study))
        optuna_study = resumed(
            self.study, sampler, trials, partial(distributions, study=self.study, budget=self.budget)
        )
        while missing_trials(list(trials.values()), self.protocol):
            slot = max(trials, default=-1) + 1
            sampler.next_slot(slot)
            trial = optuna_study.ask()
            trial.set_user_attr("slot", slot)
            record = self.trial(optuna_study, trial, slot, {r.seed for r in trials.values() if r.config})
            self.keep(record)
            trials[slot] = record
            tell(optuna_study, trial.number, record, self.protocol.training.monitor)

    def trial(self, optuna_study: optuna.Study, trial: optuna.Trial, slot: int, seen: set[int]) -> Record:
        """The record of a trial, trained unless it has no shape on budget or one of the seeds that were seen before."""
        optimiser, dropout = suggest_optimiser(trial, self.protocol)
        try:
            shapes = self.model.Config.suggest(trial, self.budget)
            config = budgets.fit(shapes, self.budget).with_field("dropout", dropout)
        except budgets.Infeasible as error:
            return self.record("trial", slot, 0, status="infeasible", error=str(error), params=trial.params)
        seed = trial_seed(self.protocol, config, optimiser)
        if seed in seen:
            return self.record(
                "trial", slot, seed, config, optimiser, status="duplicate", error="drawn before", params=trial.params
            )
        lost = losses(optuna_study, "trial", str(slot), self.study.run)
        return self.once("trial", slot, seed, lost, config, optimiser, params=trial.params)

    def _again(self, kind: Kind, runs: list[tuple[Record, int]]) -> list[Record]:
        """Train the configurations of trials with other seeds; returns the records, which are kept."""
        if not runs:
            return []
        optuna_study, made = storage.open_study(self.study), []
        for trial, seed in runs:
            config = self.model.Config.model_validate(trial.config)
            optimiser = Optimiser.model_validate(trial.optimiser)
            lost = losses(optuna_study, kind, f"{seed} of trial {trial.trial}", self.study.run)
            made.append(self.once(kind, trial.trial, seed, lost, config, optimiser, params=trial.params))
            self.keep(made[-1])
        return made


def trial_seed(protocol: Protocol, config: Config, optimiser: Optimiser) -> int:
    """Seed of a trial's training: of what is trained, not of when or where, nor of options that later versions add."""
    chosen = [value.model_dump(mode="json", exclude_defaults=True) for value in (config, optimiser)]
    return int(digest([protocol.search.seed, *chosen]), 16) % 2**31
