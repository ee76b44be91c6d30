"""What the checks of a model share: a fault, the fields and budgets they try, and a model with rows made for it."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmark.budget import default_config
from models.base import Budget, CTRModel

FIELDS = ((1, 2), (0, 10), (13, 26))  # dense and sparse: n = 3, 10, 39
EDGE_FIELDS = ((7, 18), (0, 3), (4, 0), (0, 1), (1, 0))  # both kinds, no dense, no sparse, single field
BUDGETS = (0.3, 1.2, 4.8, 19.2, 1000.0)  # training MFLOP per example
RUN_MFLOP = 0.3  # training MFLOP per example of the models that are run
CARDINALITY = 5
EMBEDDING_DIM = 8


class Fault(AssertionError):
    """A check failed; the message says what is wrong."""


class Rows(NamedTuple):
    """Rows of a data set that nobody collected."""

    dense_BN: Tensor
    sparse_BF: Tensor
    label_B: Tensor


def default_model(model_class: type[CTRModel], n_dense: int, n_sparse: int, mflop: float = RUN_MFLOP) -> CTRModel:
    """Return the model of trial 0 at a budget, with the same weights at every call.

    Args:
        model_class: the model.
        n_dense: number of dense columns.
        n_sparse: number of sparse columns.
        mflop: training MFLOP per example.
    """
    torch.manual_seed(0)
    config = default_config(model_class.Config, Budget(mflop * 1e6, n_dense, n_sparse, EMBEDDING_DIM))
    return model_class(config, n_dense, [CARDINALITY] * n_sparse)


def random_rows(n_dense: int, n_sparse: int) -> Rows:
    """Return 64 rows with labels by the toss of a coin, the same at every call."""
    generator = torch.Generator().manual_seed(2)
    dense_BN = torch.randn(64, n_dense, generator=generator)
    sparse_BF = torch.randint(0, CARDINALITY, (64, n_sparse), generator=generator)
    return Rows(dense_BN, sparse_BF, torch.randint(0, 2, (64,), generator=generator).float())


def scored(model: CTRModel, rows: Rows) -> tuple[Tensor, Tensor]:
    """Return the logits, (B,), and their mean LogLoss."""
    logit_B = model(rows.dense_BN, rows.sparse_BF)
    return logit_B, binary_cross_entropy_with_logits(logit_B, rows.label_B)


def train(model: CTRModel, rows: Rows, *, steps: int, rate: float, batch_size: int | None = None) -> None:
    """Take steps of Adam on successive batches.

    Args:
        model: changed in place.
        rows: to train on, again from the first when all were seen.
        steps: number of steps.
        rate: learning rate.
        batch_size: rows of a step; None: all.
    """
    adam = torch.optim.Adam(model.parameters(), lr=rate)
    size = batch_size or len(rows.label_B)
    for i in range(steps):
        first = i * size % len(rows.label_B)
        adam.zero_grad()
        _, loss = scored(model, Rows(*(part[first : first + size] for part in rows)))
        loss.backward()
        adam.step()
