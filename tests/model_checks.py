"""Measurements shared by the tests of the models."""

from collections.abc import Sequence

import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.flop_counter import FlopCounterMode

from models.base import Config, CTRModel

FIELDS = ((1, 2), (4, 6), (13, 26))  # (dense, sparse): n = 3, 10, 39
EDGE_FIELDS = ((2, 3), (0, 3), (3, 0), (0, 1), (1, 0))

# Rows of all tables together, by FuxiCTR's version: the parameters of BARS's logistic regressions minus those of dense
# fields and the bias; version 2 has one more row per field. Avazu_x4 and Criteo TB have no such run; their rows are those
# on which the published counts of four models agree.
ROWS = {
    "frappe_x1": {1: 5_389, 2: 5_399},
    "movielenslatest_x1": {1: 90_239, 2: 90_242},
    "criteo_x1": {1: 2_086_303, 2: 2_086_329},
    "criteo_x4": {1: 910_708, 2: 910_747},
    "avazu_x1": {1: 1_298_599, 2: 1_298_621},
    "avazu_x4": {1: 3_750_975, 2: 3_750_999},
    "criteo_tb": {1: 204_184_585},
}
SPARSE_FIELDS = {
    "frappe_x1": 10,
    "movielenslatest_x1": 3,
    "criteo_x1": 26,
    "criteo_x4": 39,
    "avazu_x1": 22,
    "avazu_x4": 24,
    "criteo_tb": 26,
}
DENSE_FIELDS = {"criteo_x1": 13, "criteo_tb": 13}


def published(data: str, version: int = 1) -> tuple[int, list[int]]:
    """Return the dense fields and cardinalities of a published data set; only the cardinalities' sum matters to a count."""
    n = SPARSE_FIELDS[data]
    return DENSE_FIELDS.get(data, 0), [ROWS[data][version] - (n - 1), *[1] * (n - 1)]


def parameters(model_class: type[CTRModel], config: Config, n_dense: int, cardinalities: Sequence[int]) -> int:
    """Return the number of parameters, counted without allocating them.

    Args:
        model_class: the model.
        config: its architecture.
        n_dense: number of dense fields.
        cardinalities: rows of each sparse field.
    """
    with torch.device("meta"):
        return sum(p.numel() for p in model_class(config, n_dense, cardinalities).parameters())


def counted_flops(model_class: type[CTRModel], config: Config, n_dense: int, n_sparse: int) -> int:
    """Return the forward FLOPs that one example adds to a batch, by torch's counter.

    Args:
        model_class: the model.
        config: its architecture.
        n_dense: number of dense fields.
        n_sparse: number of sparse fields.
    """
    counts = []
    with torch.device("meta"):
        model = model_class(config, n_dense, [5] * n_sparse)
        for size in (2, 5):
            with FlopCounterMode(display=False) as counter:
                model(torch.zeros(size, n_dense), torch.zeros(size, n_sparse, dtype=torch.int64))
            counts.append(counter.get_total_flops())
    per_example, rest = divmod(counts[1] - counts[0], 3)
    assert rest == 0
    return per_example


def batch(n_dense: int, n_sparse: int, size: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a random (dense_BN, sparse_BF) of `size` rows for cardinalities of 5."""
    return torch.randn(size, n_dense), torch.randint(0, 5, (size, n_sparse))


def without_gradient(model: CTRModel, n_dense: int, n_sparse: int) -> list[str]:
    """Return the names of parameters whose gradient on a random batch is missing, not finite or 0 everywhere."""
    logit_B = model(*batch(n_dense, n_sparse))
    assert logit_B.shape == (64,)
    binary_cross_entropy_with_logits(logit_B, torch.randint(0, 2, (64,)).float()).backward()
    return [
        name
        for name, p in model.named_parameters()
        if p.numel() and (p.grad is None or not p.grad.isfinite().all() or not p.grad.any())
    ]
