"""What a study's trainings start from: its data, encoded, its budget, and the model before its first step."""

from collections.abc import Mapping
from typing import Any

import torch

import datamodules
from benchmark.protocol.sections import Training
from benchmark.study import Study
from datamodules.base import CTRDataModule
from models.base import Budget, Config, CTRModel, Execution, Optimiser


def data_of(study: Study, device: str) -> CTRDataModule:
    """Return the study's data set, encoded, with the batch size and rows of its protocol, and with batches on `device`."""
    training = study.protocol.training
    data = datamodules.load(study.dataset)(study.data_dir, train_rows=training.train_rows, device=device)
    data.batch_size = training.rows_per_step(data.meta["rows"]["train"])
    return data


def budget_of(study: Study, about: Mapping[str, Any]) -> Budget:
    """Return the study's budget with the fields it is spent on, given the facts about its data set."""
    columns = [*about["dense_columns"], *about["sparse_columns"]]
    user, item = (tuple(columns.index(name) for name in about.get(f"{kind}_fields", ())) for kind in ("user", "item"))
    n_dense = len(about["dense_columns"])
    return Budget(study.budget * 1e6, n_dense, len(columns) - n_dense, study.protocol.embedding_dim, user, item)


def model_of(
    model_class: type[CTRModel],
    config: Config,
    optimiser: Optimiser,
    data: CTRDataModule,
    training: Training,
    seed: int,
) -> CTRModel:
    """Return the model before its first step. The seed is that of dropout and of the data's order from here on, too.

    Args:
        model_class: class of the model.
        config: its architecture.
        optimiser: settings of the optimiser.
        data: data set that it is trained on.
        training: settings that all models share.
        seed: of initialisation, dropout and data order.
    """
    torch.manual_seed(seed)
    data.seed = seed
    model = model_class(config, data.n_dense, data.cardinalities)
    model.optimiser = optimiser
    model.execution = Execution(**training.model_dump(include=set(Execution.model_fields)))
    return model
