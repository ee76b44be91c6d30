"""What the papers' naive formulas are computed on: a model with drawn weights, a batch, its tokens one by one."""

import torch
from torch import Tensor, nn

import models
from models.base import Config, CTRModel

CARDINALITY = 5


def build(name: str, config: Config, n_dense: int, n_sparse: int) -> CTRModel:
    """The model in float64 and eval mode, its weights and biases drawn so that no part of it is nearly nothing."""
    torch.manual_seed(0)
    model = models.load(name)(config, n_dense, (CARDINALITY,) * n_sparse).double().eval()
    for p in model.parameters():
        nn.init.normal_(p, std=0.5)
    return model


def normal(*shape: int) -> Tensor:
    """Standard normal float64, the same at every call."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def batch(n_dense: int, n_sparse: int, rows: int = 5) -> tuple[Tensor, Tensor]:
    """Random dense_BN in float64 and sparse_BF, the same at every call."""
    generator = torch.Generator().manual_seed(1)
    return normal(rows, n_dense), torch.randint(CARDINALITY, (rows, n_sparse), generator=generator)


def tokens(model: CTRModel, dense_BN: Tensor, sparse_BF: Tensor) -> list[list[Tensor]]:
    """For each row its tokens: v_i x_i of each dense field, then each sparse field's own row of the table."""
    rows = []
    for b in range(len(dense_BN)):
        x = [model.embed.dense[i] * dense_BN[b, i] for i in range(dense_BN.shape[1])]
        x += [model.embed.table.weight[f * CARDINALITY + int(sparse_BF[b, f])] for f in range(sparse_BF.shape[1])]
        rows.append(x)
    return rows


def layer_norm(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    """(x - mean) / sqrt(variance + eps) * weight + bias of one vector."""
    mean = sum(x) / len(x)
    variance = sum((value - mean) ** 2 for value in x) / len(x)
    return (x - mean) / (variance + norm.eps) ** 0.5 * norm.weight + norm.bias
