"""Inputs of the papers' naive formulas: a model with random weights, a batch and its tokens one by one."""

import torch
from torch import Tensor, nn

import models
from models.base import Config, CTRModel

CARDINALITY = 5


def build(name: str, config: Config, n_dense: int, n_sparse: int) -> CTRModel:
    """Return the model in float64 and eval mode, with random weights and biases so large that every part matters.

    Args:
        name: the model's name.
        config: its architecture.
        n_dense: number of dense fields.
        n_sparse: number of sparse fields.
    """
    torch.manual_seed(0)
    model = models.load(name)(config, n_dense, (CARDINALITY,) * n_sparse).double().eval()
    for p in model.parameters():
        nn.init.normal_(p, std=0.5)
    return model


def normal(*shape: int) -> Tensor:
    """Return standard normal float64 numbers, the same at every call."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def batch(n_dense: int, n_sparse: int, rows: int = 5) -> tuple[Tensor, Tensor]:
    """Return `rows` rows of random dense_BN in float64 and sparse_BF, the same at every call."""
    generator = torch.Generator().manual_seed(1)
    return normal(rows, n_dense), torch.randint(CARDINALITY, (rows, n_sparse), generator=generator)


def tokens(model: CTRModel, dense_BN: Tensor, sparse_BF: Tensor) -> list[list[Tensor]]:
    """Return the tokens of each row: v_i x_i of each dense field, then each sparse field's row of the table.

    Args:
        model: a model without a bottom MLP.
        dense_BN: dense fields.
        sparse_BF: sparse fields.
    """
    rows = []
    for b in range(len(dense_BN)):
        x = [model.embed.dense[i] * dense_BN[b, i] for i in range(dense_BN.shape[1])]
        x += [model.embed.table.weight[f * CARDINALITY + int(sparse_BF[b, f])] for f in range(sparse_BF.shape[1])]
        rows.append(x)
    return rows


def layer_norm(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    """Return (x - mean) / sqrt(variance + eps) * weight + bias of one vector."""
    mean = sum(x) / len(x)
    variance = sum((value - mean) ** 2 for value in x) / len(x)
    return (x - mean) / (variance + norm.eps) ** 0.5 * norm.weight + norm.bias
