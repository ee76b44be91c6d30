"""Train a study's model once and make its record; an error caused by the configuration gives a failed record."""

from collections.abc import Callable
from dataclasses import asdict, replace
from types import TracebackType
from typing import Any, Self

import torch

import models
from benchmark import budget as budgets
from benchmark.errors import RunError
from benchmark.records.predictions import Labels, Logits
from benchmark.records.provenance import anonymous, device_name, provenance
from benchmark.records.record import Kind, Record
from benchmark.study import LOSSES_ALLOWED, Event, Ledger, OnEvent, Study
from benchmark.training.inputs import budget_of, data_of
from benchmark.training.loop import OnProgress, Outcome
from benchmark.training.memory import free_memory
from benchmark.training.pruning import Stop, never
from benchmark.training.ranks import Ranks
from benchmark.training.task import training, training_in_rank
from benchmark.training.watch import Stalled, Watch
from benchmark.weights.writing import State, state_of, write
from datamodules.base import DataError
from datamodules.base.encoder import encoder_of
from models.base import Config, CTRModel, Optimiser

COLLAPSED_WITHIN = 1e-3  # of a validation AUC of 0.5


class Runner:
    """Trains one study's model in this process, or in one process per device if there are several.

    Args:
        study: whose model is trained.
        on_event: called with the progress of every training.
        ledger: where the records are kept.
    """

    def __init__(self, study: Study, on_event: OnEvent, ledger: Ledger):
        self.study, self.on_event, self.ledger = study, on_event, ledger
        self.protocol = study.protocol
        self.data = data_of(study, study.device)
        if study.keep_weights:  # now, since it may have to read the raw rows
            encoder_of(self.data)
        self.model = models.load(study.model)
        self.budget = budget_of(study, self.data.about)
        self._ranks: Ranks | None = None
        self._state: State = {}  # weights of the last tested model
        self._device_failed = False  # e.g. after a device-side assert, all further calls to the device fail

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ranks:
            self._ranks.close()

    def train(
        self,
        kind: Kind,
        slot: int,
        seed: int,
        config: Config,
        optimiser: Optimiser,
        *,
        params: dict[str, Any],
        lost: int = 0,
        stop: Stop = never,
    ) -> Record:
        """Train once and return the record, a failed one if the configuration caused an error.

        Args:
            kind: trial, retrial, final or doubled; only a final run is scored on the test part.
            slot: the trial's position in the study.
            seed: of initialisation, dropout and data order.
            config: the architecture.
            optimiser: settings of the optimiser.
            params: parameters as sampled, for the record.
            lost: number of workers that died during this training; at LOSSES_ALLOWED it is not tried again.
            stop: whether a trial is pruned after an epoch; sent to the other processes if there are several devices.
        """

        def on_progress(share: float, metrics: dict[str, float] | None) -> None:
            self.on_event(Event(self.study.name, kind, slot if kind == "trial" else seed, share))

        def failed(reason: str) -> Record:
            return self.record(kind, slot, seed, config, optimiser, status="failed", error=reason, params=params)

        if lost >= LOSSES_ALLOWED:
            return failed(f"worker process died {lost} times during training (out of memory?)")
        on_progress(0.0, None)

        def give_up() -> None:
            self.keep(failed(str(Stalled(self.study.stall_seconds))))

        try:
            outcome = self._outcome(kind, config, optimiser, seed, on_progress, stop, give_up)
        except (OSError, RunError, DataError):
            raise  # caused by a disk or file, not by the configuration
        except Stalled as error:
            return failed(str(error))
        except Exception as error:
            self._device_failed = isinstance(error, torch.AcceleratorError)
            reason = anonymous(f"{type(error).__name__}: {error}")
            del error  # its traceback holds the model
            free_memory(self.study.device)
            return failed(reason)
        values = asdict(outcome)
        status, reason = "complete", ""
        if values.pop("stopped"):
            status, reason = "pruned", f"ended after epoch {outcome.epochs} of {self.protocol.training.epochs}"
        if abs(outcome.valid["auc"] - 0.5) <= COLLAPSED_WITHIN:
            status, reason = "collapsed", f"validation AUC {outcome.valid['auc']:.4f}: the predictions do not rank"
        record = self.record(
            kind, slot, seed, config, optimiser, status=status, error=reason or None, params=params, **values
        )
        if kind == "final" and status == "complete" and (folder := self.study.weights_folder(seed)):
            write(folder, self._state, self.data, record, self.protocol.training)
            self._state = {}
        return record

    def _outcome(
        self,
        kind: Kind,
        config: Config,
        optimiser: Optimiser,
        seed: int,
        on_progress: OnProgress,
        stop: Stop,
        give_up: Callable[[], None],
    ) -> Outcome:
        """Train in this process, or in one process per device; these report no progress while they train.

        A training that stands still ends this process, after `give_up`; one on several devices raises Stalled.
        """
        outcome: Outcome
        if self.study.devices == 1:

            def on_test(model: CTRModel, logit_N: torch.Tensor, label_N: torch.Tensor) -> str | None:
                self._state = state_of(model) if self.study.keep_weights else {}
                return self._kept(seed, logit_N.cpu().numpy(), label_N.cpu().numpy())

            with Watch(self.study.stall_seconds, give_up) as watch:
                self.data.on_batch = watch.alive
                return training(self.study, self.data, kind, config, optimiser, seed, stop, on_progress, on_test)
        if self._ranks is None or self._ranks.closed:
            self._ranks = Ranks(self.study.devices, self.study.device, self.study.stall_seconds)
        arguments = self.study, kind, config.model_dump(mode="json"), optimiser, seed, stop
        outcome, tested = self._ranks(training_in_rank, self._ranks.stalled, *arguments)
        if tested is None:
            return outcome
        logits, labels, self._state = tested
        return replace(outcome, predictions=self._kept(seed, logits, labels))

    def _kept(self, seed: int, logits: Logits, labels: Labels) -> str | None:
        """Keep test predictions, unless rows have weights: the noise of test rows is not defined for weighted metrics."""
        return None if self.data.weight_field else self.ledger.keep_predictions(seed, logits, labels)

    def record(
        self,
        kind: Kind,
        slot: int,
        seed: int,
        config: Config | None = None,
        optimiser: Optimiser | None = None,
        **values: Any,
    ) -> Record:
        """Return the record of a training, or of a draw that was not trained.

        Args:
            kind: trial, retrial, final or doubled.
            slot: the trial's position in the study.
            seed: of the training; 0 if there was none.
            config: the architecture, if the draw has one.
            optimiser: settings of the optimiser.
            values: further fields of the record, including its status.
        """
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
            block=self.study.block,
            trial=slot,
            seed=seed,
            config=config.model_dump(mode="json") if config else {},
            optimiser=optimiser.model_dump(mode="json") if optimiser else {},
            forward_flops=forward,
            training_flops=budgets.training_flops(config, self.budget) if config else None,
            batch_size=self.data.batch_size,
            device=device_name(self.study.device),
            devices=self.study.devices,
            threads=torch.get_num_threads(),
            **provenance(),
            **values,
        )

    def keep(self, record: Record) -> None:
        """Append a record and report it.

        Raises SystemExit after an error that leaves the device unusable, so that the next training gets a new process.
        """
        self.ledger.keep(record)
        number = record.trial if record.kind == "trial" else record.seed
        self.on_event(Event(self.study.name, record.kind, number, 1.0, record))
        if self._device_failed:
            raise SystemExit(record.error)
