"""One study: one model tuned on one data set at one budget, then its winner's final runs.

The records are the state: a trial is recorded first and told to Optuna afterwards, and a study whose storage is missing or
behind is brought up to its records before it goes on. Every draw depends only on the study's seed, the trial's position
and the trials before it, so that an interrupted study ends as an uninterrupted one does.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import optuna
import torch
from optuna.distributions import BaseDistribution
from optuna.trial import FixedTrial, TrialState

import datamodules
import models
from benchmark import budget as budgets
from benchmark import predictions, records
from benchmark.protocol import Protocol, digest
from benchmark.provenance import device_name, provenance
from benchmark.records import Kind, Record
from benchmark.sampler import SlotSampler
from benchmark.study import DRAWS_PER_TRIAL, Progress, Study, missing_seeds, missing_trials, winner
from benchmark.train import train
from models.base import Budget, Config, Optimiser

optuna.logging.set_verbosity(optuna.logging.WARNING)  # the display says what is worth saying

OnEvent = Callable[[Progress], None]


def suggest_optimiser(trial: optuna.Trial, protocol: Protocol) -> tuple[Optimiser, float]:
    """The optimiser and the dropout rate, from the one space that all models share."""
    search = protocol.search
    optimiser = Optimiser(
        learning_rate=trial.suggest_float("learning_rate", *search.learning_rate, log=True),
        embedding_l2=trial.suggest_categorical("embedding_l2", search.embedding_l2),
        weight_decay=trial.suggest_categorical("weight_decay", search.weight_decay),
        clip_norm=protocol.training.clip_norm,
    )
    return optimiser, trial.suggest_categorical("dropout", search.dropout)


def default_optimiser(protocol: Protocol) -> dict[str, Any]:
    """The shared part of trial 0: Adam's usual rate where the range has it, no regularisation where that is a choice."""
    low, high = protocol.search.learning_rate
    choices = {name: getattr(protocol.search, name) for name in ("embedding_l2", "weight_decay", "dropout")}
    return {"learning_rate": min(max(1e-3, low), high), **{name: min(values) for name, values in choices.items()}}


def run(study: Study, on_event: OnEvent = lambda event: None) -> None:
    """Bring a study to its end: the asked number of complete trials, then the final runs of the best."""
    Runner(study, on_event).run()


class Runner:
    """The work on one study by one process."""

    def __init__(self, study: Study, on_event: OnEvent):
        self.study, self.on_event = study, on_event
        self.protocol = study.protocol
        self.data = datamodules.load(study.dataset)(
            study.data_dir,
            batch_size=self.protocol.training.batch_size,
            train_rows=self.protocol.training.train_rows,
            device=study.device,
        )
        self.model = models.load(study.model)
        self.budget = _budget(study, self.data.n_dense, len(self.data.cardinalities))

    def run(self) -> None:
        """Trials, then final runs."""
        done = self.study.records()
        trials = {record.trial: record for record in done if record.kind == "trial"}
        self._tune(trials)
        best = winner(list(trials.values()), self.protocol)
        if best is None:
            return
        for seed in missing_seeds(done, best, self.protocol):
            self._final(best, seed)

    def _tune(self, trials: dict[int, Record]) -> None:
        """Run what is missing of the asked number of complete trials; adds their records to `trials`."""
        if missing_trials(list(trials.values()), self.protocol) == 0:
            return
        sampler = SlotSampler(
            self.protocol.search.sampler,
            self.protocol.search.seed,
            {**self.model.Config.default, **default_optimiser(self.protocol)},
        )
        optuna_study = open_study(self.study, sampler)
        self._catch_up(optuna_study, trials)
        while missing_trials(list(trials.values()), self.protocol):
            slot = len(trials)
            sampler.next_slot(slot)
            trial = optuna_study.ask()
            trial.set_user_attr("slot", slot)
            record = self._trial(trial, slot, {record.seed for record in trials.values() if record.config})
            self._keep(record)
            trials[slot] = record
            _tell(optuna_study, trial.number, record, self.protocol)

    def _catch_up(self, optuna_study: optuna.Study, trials: dict[int, Record]) -> None:
        """Make the storage agree with the records; what it holds beyond them was lost and is failed."""
        known = set()
        for frozen in optuna_study.get_trials(deepcopy=False):
            record = trials.get(frozen.user_attrs.get("slot", -1))
            told = {"complete": TrialState.COMPLETE}.get(record.status, TrialState.FAIL) if record else None
            if record and (frozen.state == told or not frozen.state.is_finished()):
                known.add(record.trial)
            if not frozen.state.is_finished():
                _tell(optuna_study, frozen.number, record, self.protocol)
        for slot, record in sorted(trials.items()):
            if slot not in known:
                state = TrialState.COMPLETE if record.status == "complete" else TrialState.FAIL
                value = record.valid[self.protocol.training.monitor] if record.valid else None
                optuna_study.add_trial(
                    optuna.trial.create_trial(
                        state=state,
                        value=value if state == TrialState.COMPLETE else None,
                        params=record.params,
                        distributions=self._distributions(record.params),
                        user_attrs={"slot": slot},
                    )
                )

    def _distributions(self, params: dict[str, Any]) -> dict[str, BaseDistribution]:
        """The search space, which is static, as it is asked for these parameters."""
        trial: Any = FixedTrial(params)
        next(iter(self.model.Config.suggest(trial, self.budget)))
        suggest_optimiser(trial, self.protocol)
        return trial.distributions

    def _trial(self, trial: optuna.Trial, slot: int, seen: set[int]) -> Record:
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
        return self._run("trial", slot, seed, config=config, optimiser=optimiser, params=trial.params)

    def _final(self, best: Record, seed: int) -> None:
        config = self.model.Config.model_validate(best.config)
        optimiser = Optimiser.model_validate(best.optimiser)
        self._keep(self._run("final", best.trial, seed, config=config, optimiser=optimiser, params=best.params))

    def _run(
        self, kind: Kind, slot: int, seed: int, *, config: Config, optimiser: Optimiser, params: dict[str, Any]
    ) -> Record:
        """Train once; whatever goes wrong with this configuration becomes a failed record, not the end of the study."""

        def on_progress(share: float, metrics: dict[str, float] | None) -> None:
            self.on_event(Progress(self.study.name, kind, slot if kind == "trial" else seed, share))

        kept: str | None = None

        def on_test(logit_N: torch.Tensor, label_N: torch.Tensor) -> None:
            nonlocal kept
            path = predictions.prediction_file(
                self.study.results, self.study.dataset, self.study.model, self.study.budget, seed
            )
            kept = predictions.write(path, logit_N.cpu().numpy(), label_N.cpu().numpy())

        on_progress(0.0, None)
        try:
            outcome = train(
                self.model,
                config,
                optimiser,
                self.data,
                self.protocol.training,
                seed=seed,
                test=kind == "final",
                on_progress=on_progress,
                on_test=on_test,
            )
        except (ArithmeticError, MemoryError, RuntimeError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
            return self._record(kind, slot, seed, config, optimiser, status="failed", error=reason, params=params)
        return self._record(
            kind, slot, seed, config, optimiser, status="complete", params=params, predictions=kept, **asdict(outcome)
        )

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
            protocol_id=self.protocol.identity(),
            overrides=self.protocol.overrides,
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
            threads=torch.get_num_threads(),
            **provenance(),
            **values,
        )

    def _keep(self, record: Record) -> None:
        records.append(self.study.results, record)
        number = record.trial if record.kind == "trial" else record.seed
        self.on_event(Progress(self.study.name, record.kind, number, 1.0, record))


def out_of_reach(study: Study, n_dense: int, n_sparse: int) -> str | None:
    """Why no shape of the model's space meets the budget; None if one of the first draws does."""
    budget = _budget(study, n_dense, n_sparse)
    config_class = models.load(study.model).Config
    sampler = SlotSampler("random", study.protocol.search.seed, config_class.default)
    draws = optuna.create_study(sampler=sampler)
    reason = None
    for slot in range(DRAWS_PER_TRIAL):
        sampler.next_slot(slot)
        try:
            budgets.fit(config_class.suggest(draws.ask(), budget), budget)
        except budgets.Infeasible as error:
            reason = str(error)
        else:
            return None
    return reason


def default_config(study: Study, n_dense: int, n_sparse: int) -> Config:
    """The configuration of trial 0. Raises Infeasible."""
    budget = _budget(study, n_dense, n_sparse)
    config_class = models.load(study.model).Config
    trial: Any = FixedTrial(config_class.default)  # has the methods of a Trial, not its type
    return budgets.fit(config_class.suggest(trial, budget), budget)


def _budget(study: Study, n_dense: int, n_sparse: int) -> Budget:
    return Budget(study.budget * 1e6, n_dense, n_sparse, study.protocol.embedding_dim)


def open_study(study: Study, sampler: optuna.samplers.BaseSampler | None = None) -> optuna.Study:
    """The Optuna study of that name, created if need be."""
    storage: str | optuna.storages.RDBStorage = study.storage
    if study.storage.startswith("sqlite"):
        storage = optuna.storages.RDBStorage(study.storage, engine_kwargs={"connect_args": {"timeout": 120}})
    return optuna.create_study(
        storage=storage,
        study_name=study.name,
        direction="maximize" if study.protocol.training.monitor == "auc" else "minimize",
        sampler=sampler,
        load_if_exists=True,
    )


def trial_seed(protocol: Protocol, config: Config, optimiser: Optimiser) -> int:
    """Seed of a trial's training: of what is trained, not of when or where."""
    content = [protocol.search.seed, config.model_dump(mode="json"), optimiser.model_dump(mode="json")]
    return int(digest(content), 16) % 2**31


def _tell(optuna_study: optuna.Study, number: int, record: Record | None, protocol: Protocol) -> None:
    """Close an open trial with what its record says; without a record it was lost."""
    if record is not None and record.status == "complete" and record.valid:
        optuna_study.tell(number, record.valid[protocol.training.monitor])
    else:
        optuna_study.tell(number, state=TrialState.FAIL)
