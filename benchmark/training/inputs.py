"""What a study's trainings start from: its data, encoded, and its budget."""

from collections.abc import Mapping
from typing import Any

import datamodules
from benchmark.study import Study
from datamodules.base import CTRDataModule
from models.base import Budget


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
