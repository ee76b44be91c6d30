"""One study: one model tuned on one data set at one budget, then its winner's final runs.

The records are the state: a trial is recorded first and told to Optuna afterwards, and a study whose storage is missing or
behind is brought up to its records before it goes on. Every draw depends only on the study's seed, the trial's position
and the trials before it, so that an interrupted study ends as an uninterrupted one does.
"""

from dataclasses import asdict
from functools import partial
from typing import Any, Self
from typing import Protocol as Interface

import optuna
import torch
from torch import distributed

import datamodules
import models
from benchmark import budget as budgets
from benchmark import predictions, storage
from benchmark.distributed import Ranks
from benchmark.protocol import Protocol, digest
from benchmark.provenance import anonymous, device_name, provenance
from benchmark.records import Kind, Record
from benchmark.resume import LOSSES_ALLOWED, losses, resumed, tell
from benchmark.sampler import SlotSampler
from benchmark.space import budget_of, default_parameters, distributions, suggest_optimiser
from benchmark.study import OnEvent, Progress, Study, missing_retrials, missing_seeds, missing_trials, winner
from benchmark.train import OnProgress, Outcome, free_memory, train
from datamodules.base import CTRDataModule, DataError
from models.base import Config, Optimiser


class Ledger(Interface):
    """Where a study's records are kept: its results folder, or the one of the machine that leads a cluster."""

    def records(self) -> list[Record]:
        """Those so far."""
        ...

    def keep(self, record: Record) -> None:
        """Add one."""
        ...


def run(study: Study, on_event: OnEvent = lambda event: None, ledger: Ledger | None = None) -> None:
    """Bring a study to its end: the asked number of complete trials, then the final runs of the best.

    A database out of reach is waited for; what was done meanwhile is told to it afterwards. Raises RunError when it stays
    away.
    """
    runner = Runner(study, on_event, ledger or study)
    with runner:
        storage.patiently(runner.run, lambda: len(runner.ledger.records()), study.storage)


def run_fixed(
    study: Study, number: int, config: dict[str, Any], optimiser: dict[str, Any], seeds: list[int], on_event: OnEvent
) -> None:
    """The final runs alone, of a configuration that no search chose; their records' trial is `number`."""
    with Runner(study, on_event, study) as runner:
        chosen = runner.model.Config.model_validate(config), Optimiser.model_validate(optimiser)
        for seed in seeds:
            runner.keep(runner.once("final", number, seed, 0, *chosen, params={}))


class Runner:
    """The work on one study by one process."""

    def __init__(self, study: Study, on_event: OnEvent, ledger: Ledger):
        self.study, self.on_event, self.ledger = study, on_event, ledger
        self.protocol = study.protocol
        self.data = _data(study, study.device)
        self.model = models.load(study.model)
        self.budget = budget_of(study, self.data.n_dense, len(self.data.cardinalities))

        self._ranks: Ranks | None = None
        self._spoilt = False  # by a device-side assert, say, after which every call of the device fails

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._ranks:
            self._ranks.close()

    def run(self) -> None:
        """Trials, retrials of the finalists, then final runs of the winner."""
        done = self.ledger.records()
        trials = {record.trial: record for record in done if record.kind == "trial"}
        self._tune(trials)
        done = self.ledger.records()
        retrials = missing_retrials(done, self.protocol)
        for finalist, seed in retrials:
            self._again("retrial", finalist, seed)
        best = winner(self.ledger.records() if retrials else done, self.protocol)
        if best is not None:
            for seed in missing_seeds(done, best, self.protocol):
                self._again("final", best, seed)

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
            return self._record("trial", slot, 0, status="infeasible", error=str(error), params=trial.params)
        seed = trial_seed(self.protocol, config, optimiser)
        if seed in seen:
            return self._record(
                "trial", slot, seed, config, optimiser, status="duplicate", error="drawn before", params=trial.params
            )
        lost = losses(optuna_study, "trial", str(slot), self.study.run)
        return self.once("trial", slot, seed, lost, config, optimiser, params=trial.params)

    def _again(self, kind: Kind, trial: Record, seed: int) -> None:
        """Train a trial's configuration with another seed."""
        config = self.model.Config.model_validate(trial.config)
        optimiser = Optimiser.model_validate(trial.optimiser)
        lost = losses(storage.open_study(self.study), kind, f"{seed} of trial {trial.trial}", self.study.run)
        self.keep(self.once(kind, trial.trial, seed, lost, config, optimiser, params=trial.params))

    def once(
        self,
        kind: Kind,
        slot: int,
        seed: int,
        lost: int,
        config: Config,
        optimiser: Optimiser,
        params: dict[str, Any],
    ) -> Record:
        """Train once; whatever goes wrong with this configuration becomes a failed record, not the end of the study."""

        def on_progress(share: float, metrics: dict[str, float] | None) -> None:
            self.on_event(Progress(self.study.name, kind, slot if kind == "trial" else seed, share))

        if lost >= LOSSES_ALLOWED:
            reason = f"its worker process died {lost} times in the middle; is there memory enough?"
            return self._record(kind, slot, seed, config, optimiser, status="failed", error=reason, params=params)
        on_progress(0.0, None)
        try:
            outcome = self._train(kind, config, optimiser, seed, on_progress)
        except (OSError, DataError):
            raise  # of a disk or file, not of the configuration
        except Exception as error:
            self._spoilt = isinstance(error, torch.AcceleratorError)
            reason = anonymous(f"{type(error).__name__}: {error}")
            del error  # its traceback holds the model
            free_memory(self.study.device)
            return self._record(kind, slot, seed, config, optimiser, status="failed", error=reason, params=params)
        return self._record(kind, slot, seed, config, optimiser, status="complete", params=params, **asdict(outcome))

    def _train(self, kind: Kind, config: Config, optimiser: Optimiser, seed: int, on_progress: OnProgress) -> Outcome:
        """Train in this process, or in one for each of several devices; those report no progress on the way."""
        if self.study.devices == 1:
            return _training(self.study, self.data, kind, config, optimiser, seed, on_progress)
        if self._ranks is None or self._ranks.closed:
            self._ranks = Ranks(self.study.devices, self.study.device)
        return self._ranks(_training_in_rank, self.study, kind, config, optimiser, seed)

    def _record(
        self,
        kind: Kind,
        slot: int,
        seed: int,
        config: Config | None = None,
        optimiser: Optimiser | None = None,
        **values: Any,
    ) -> Record:
        forward = config.flops(self.budget.n_dense, self.budget.n_sparse) if config else None
        return Record(
            kind=kind,
            protocol=self.protocol.name,
            protocol_id=self.study.protocol_id,
            overrides=self.protocol.overrides,
            accepted=self.study.accepted,
            dataset=self.study.dataset,
            data_fingerprint=self.data.fingerprint,
            model=self.study.model,
            budget=self.study.budget,
            trial=slot,
            seed=seed,
            config=config.model_dump(mode="json") if config else {},
            optimiser=optimiser.model_dump(mode="json") if optimiser else {},
            forward_flops=forward,
            training_flops=budgets.training_flops(config, self.budget) if config else None,
            device=device_name(self.study.device),
            devices=self.study.devices,
            threads=torch.get_num_threads(),
            **provenance(),
            **values,
        )

    def keep(self, record: Record) -> None:
        """Add a record. Raises SystemExit after an error that spoilt the process, so that the next training has another."""
        self.ledger.keep(record)
        number = record.trial if record.kind == "trial" else record.seed
        self.on_event(Progress(self.study.name, record.kind, number, 1.0, record))
        if self._spoilt:
            raise SystemExit(record.error)


def trial_seed(protocol: Protocol, config: Config, optimiser: Optimiser) -> int:
    """Seed of a trial's training: of what is trained, not of when or where, nor of options that later versions add."""
    chosen = [value.model_dump(mode="json", exclude_defaults=True) for value in (config, optimiser)]
    return int(digest([protocol.search.seed, *chosen]), 16) % 2**31


def _data(study: Study, device: str) -> CTRDataModule:
    training = study.protocol.training
    return datamodules.load(study.dataset)(
        study.data_dir, batch_size=training.batch_size, train_rows=training.train_rows, device=device
    )


def _training(
    study: Study,
    data: CTRDataModule,
    kind: Kind,
    config: Config,
    optimiser: Optimiser,
    seed: int,
    on_progress: OnProgress = lambda share, metrics: None,
) -> Outcome:
    def keep(logit_N: torch.Tensor, label_N: torch.Tensor) -> str | None:
        if not study.keeps_predictions:
            return None
        path = predictions.prediction_file(study.results, study.dataset, study.model, study.budget, seed)
        return predictions.write(path, logit_N.cpu().numpy(), label_N.cpu().numpy())

    return train(
        models.load(study.model),
        config,
        optimiser,
        data,
        study.protocol.training,
        seed=seed,
        test=kind == "final",
        on_progress=on_progress,
        on_test=keep,
    )


def _training_in_rank(study: Study, kind: Kind, config: Config, optimiser: Optimiser, seed: int) -> Outcome:
    """The same in one of several processes, each with its device and its rows of every batch."""
    device = f"cuda:{distributed.get_rank()}" if study.device.startswith("cuda") else study.device
    return _training(study, _data(study, device), kind, config, optimiser, seed)
