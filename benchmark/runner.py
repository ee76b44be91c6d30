"""One training of a study's model and the record of it; whatever goes wrong with a configuration becomes a failed record."""

from dataclasses import asdict, replace
from typing import Any, Self
from typing import Protocol as Interface

import torch
from torch import distributed

import datamodules
import models
from benchmark import budget as budgets
from benchmark.distributed import Ranks
from benchmark.errors import RunError
from benchmark.predictions import Labels, Logits
from benchmark.provenance import anonymous, device_name, provenance
from benchmark.records import Kind, Record
from benchmark.resume import LOSSES_ALLOWED
from benchmark.space import budget_of
from benchmark.study import OnEvent, Progress, Study
from benchmark.train import OnProgress, OnTest, Outcome, free_memory, train
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

    def keep_predictions(self, seed: int, logits: Logits, labels: Labels) -> str | None:
        """Keep those of a final run on the test part; their hash, None if there are too many."""
        ...


class Runner:
    """Trains one study's model in this process, or in one for each of several devices."""

    def __init__(self, study: Study, on_event: OnEvent, ledger: Ledger):
        self.study, self.on_event, self.ledger = study, on_event, ledger
        self.protocol = study.protocol
        self.data = data_of(study, study.device)
        self.model = models.load(study.model)
        self.budget = budget_of(study, self.data.n_dense, len(self.data.cardinalities))

        self._ranks: Ranks | None = None
        self._spoilt = False  # by a device-side assert, say, after which every call of the device fails

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._ranks:
            self._ranks.close()

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
            return self.record(kind, slot, seed, config, optimiser, status="failed", error=reason, params=params)
        on_progress(0.0, None)
        try:
            outcome = self._train(kind, config, optimiser, seed, on_progress)
        except (OSError, RunError, DataError):
            raise  # of a disk or file, not of the configuration
        except Exception as error:
            self._spoilt = isinstance(error, torch.AcceleratorError)
            reason = anonymous(f"{type(error).__name__}: {error}")
            del error  # its traceback holds the model
            free_memory(self.study.device)
            return self.record(kind, slot, seed, config, optimiser, status="failed", error=reason, params=params)
        return self.record(kind, slot, seed, config, optimiser, status="complete", params=params, **asdict(outcome))

    def _train(self, kind: Kind, config: Config, optimiser: Optimiser, seed: int, on_progress: OnProgress) -> Outcome:
        """Train in this process, or in one for each of several devices; those report no progress on the way."""
        outcome: Outcome
        if self.study.devices == 1:

            def on_test(logit_N: torch.Tensor, label_N: torch.Tensor) -> str | None:
                return self.ledger.keep_predictions(seed, logit_N.cpu().numpy(), label_N.cpu().numpy())

            return _training(self.study, self.data, kind, config, optimiser, seed, on_progress, on_test)
        if self._ranks is None or self._ranks.closed:
            self._ranks = Ranks(self.study.devices, self.study.device)
        outcome, predicted = self._ranks(_training_in_rank, self.study, kind, config, optimiser, seed)
        return replace(outcome, predictions=self.ledger.keep_predictions(seed, *predicted)) if predicted else outcome

    def record(
        self,
        kind: Kind,
        slot: int,
        seed: int,
        config: Config | None = None,
        optimiser: Optimiser | None = None,
        **values: Any,
    ) -> Record:
        """The record of a training, or of a draw that none came of."""
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


def data_of(study: Study, device: str) -> CTRDataModule:
    """The study's data set as its protocol reads it."""
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
    on_test: OnTest = lambda logit_N, label_N: None,
) -> Outcome:
    return train(
        models.load(study.model),
        config,
        optimiser,
        data,
        study.protocol.training,
        seed=seed,
        test=kind == "final",
        on_progress=on_progress,
        on_test=on_test,
    )


def _training_in_rank(
    study: Study, kind: Kind, config: Config, optimiser: Optimiser, seed: int
) -> tuple[Outcome, tuple[Logits, Labels] | None]:
    """The same in one of several processes, each with its device and its rows of every batch; test predictions, too."""
    device = f"cuda:{distributed.get_rank()}" if study.device.startswith("cuda") else study.device
    predicted: tuple[Logits, Labels] | None = None

    def on_test(logit_N: torch.Tensor, label_N: torch.Tensor) -> None:
        nonlocal predicted
        if distributed.get_rank() == 0:
            predicted = logit_N.cpu().numpy(), label_N.cpu().numpy()

    return _training(study, data_of(study, device), kind, config, optimiser, seed, on_test=on_test), predicted
