"""One training of a study, in this process or as one of several ranks."""

from pathlib import Path
from typing import Any

import torch
from torch import distributed

import models
from benchmark.records.predictions import Labels, Logits
from benchmark.records.record import Kind
from benchmark.study import Study
from benchmark.training.inputs import data_of
from benchmark.training.loop import OnProgress, OnTest, Outcome, train
from benchmark.training.pruning import Stop
from benchmark.training.watch import Watch
from benchmark.weights.writing import State, state_of
from datamodules.base import CTRDataModule
from models.base import Config, CTRModel, Optimiser


def training(
    study: Study,
    data: CTRDataModule,
    kind: Kind,
    config: Config,
    optimiser: Optimiser,
    seed: int,
    stop: Stop,
    on_progress: OnProgress = lambda share, metrics: None,
    on_test: OnTest = lambda model, logit_N, label_N: None,
) -> Outcome:
    """Train one configuration; only a final run is scored on the test part.

    Args:
        study: with its protocol.
        data: its data set.
        kind: trial, retrial, final or doubled.
        config: the architecture.
        optimiser: settings of the optimiser.
        seed: of initialisation, dropout and data order.
        stop: whether a trial is pruned after an epoch.
        on_progress: called during training.
        on_test: called with the model and its predictions on the test part.
    """
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
        stop=stop,
        share=study.protocol.search.train_share if kind in ("trial", "retrial") else 1.0,
    )


def training_in_rank(
    stalled: Path, study: Study, kind: Kind, fields: dict[str, Any], optimiser: Optimiser, seed: int, stop: Stop
) -> tuple[Outcome, tuple[Logits, Labels, State] | None]:
    """Train as one rank, on its device and its rows of every batch; rank 0 also returns test predictions and weights.

    If the training stands still, the rank makes the file `stalled` and ends.

    Args:
        stalled: the file.
        study: with its protocol.
        kind: trial, retrial, final or doubled.
        fields: of the architecture, as JSON; the config class of a variant cannot be sent to another process.
        optimiser: settings of the optimiser.
        seed: of initialisation, dropout and data order.
        stop: whether a trial is pruned after an epoch.
    """
    config = models.load(study.model).Config.model_validate(fields)
    device = f"cuda:{distributed.get_rank()}" if study.device.startswith("cuda") else study.device
    tested: tuple[Logits, Labels, State] | None = None

    def on_test(model: CTRModel, logit_N: torch.Tensor, label_N: torch.Tensor) -> None:
        nonlocal tested
        if distributed.get_rank() == 0:
            state = state_of(model) if study.keep_weights else {}
            tested = logit_N.cpu().numpy(), label_N.cpu().numpy(), state

    data = data_of(study, device)
    with Watch(study.stall_seconds, stalled.touch) as watch:
        data.on_batch = watch.alive
        return training(study, data, kind, config, optimiser, seed, stop, on_test=on_test), tested
