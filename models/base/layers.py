"""Layers that more than one model uses. B batch, N dense fields, F sparse fields, T tokens, D embedding dimension."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from models.base.config import Config


def mlp(
    n_in: int, hidden: Sequence[int], n_out: int | None = None, *, dropout: float = 0.0, batch_norm: bool = False
) -> nn.Sequential:
    """Linear, (BatchNorm), ReLU, (Dropout) for each hidden width; then, if n_out is given, a bare Linear.

    Weights are Xavier-normal and biases 0, as in FuxiCTR, so that published settings mean the same here.
    """
    layers: list[nn.Module] = []
    for width in hidden:
        layers.append(nn.Linear(n_in, width))
        if batch_norm:
            layers.append(nn.BatchNorm1d(width))
        layers.append(nn.ReLU())
        if dropout:
            layers.append(nn.Dropout(dropout))
        n_in = width
    if n_out is not None:
        layers.append(nn.Linear(n_in, n_out))
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def mlp_flops(n_in: int, hidden: Sequence[int], n_out: int | None = None) -> int:
    """Forward FLOPs of `mlp` for one example."""
    widths = [n_in, *hidden, *([] if n_out is None else [n_out])]
    return 2 * sum(a * b for a, b in pairwise(widths))


def tapered(width: int, depth: int, taper: float) -> tuple[int, ...]:
    """Hidden widths: `depth` of them, from `width` on, each `taper` times the one before, none below 1."""
    return tuple(max(1, round(width * taper**i)) for i in range(depth))


def fan_in_(weight: Tensor, fan_in: int) -> Tensor:
    """Fill with N(0, 1 / fan_in): a linear map of unit-variance inputs then has unit-variance outputs."""
    return nn.init.normal_(weight, std=1 / math.sqrt(fan_in))


class FieldEmbedding(nn.Module):
    """Embeds dense_BN and sparse_BF as tokens x_BTD, those of the dense fields first.

    The sparse fields share one fused table: field f owns the `cardinalities[f]` rows from `offset_F[f]` on. Dense fields
    become one embedding by a bottom MLP (Wukong section 3.2, DLRM) or one each, v_i * x_i (FuxiCTR, AutoInt section 4.3).
    """

    def __init__(self, n_dense: int, cardinalities: Sequence[int], config: Config, *, bottom_relu: bool = False):
        super().__init__()
        if not n_dense and not cardinalities:
            raise ValueError("a model needs at least one dense or sparse field; got none")
        d = config.embedding_dim
        self.n_dense, self.n_sparse = n_dense, len(cardinalities)
        offset_F = torch.tensor([0, *cardinalities[:-1]], dtype=torch.int64).cumsum(0)
        self.register_buffer("offset_F", offset_F[: len(cardinalities)], persistent=False)
        self.offset_F: Tensor
        self.table = nn.Embedding(sum(cardinalities), d)
        self.row_gradients = False  # whether backward leaves the table's gradient as rows; `Update` takes either
        nn.init.normal_(self.table.weight, std=config.embedding_std)
        self.dense: nn.Module | nn.Parameter | None = None
        if n_dense and config.bottom_mlp:
            bottom = mlp(n_dense, config.bottom_mlp, d, dropout=config.dropout, batch_norm=config.batch_norm)
            self.dense = bottom.append(nn.ReLU()) if bottom_relu else bottom
        elif n_dense:
            self.dense = nn.Parameter(nn.init.normal_(torch.empty(n_dense, d), std=config.embedding_std))

    def embeddings(self) -> list[nn.Parameter]:
        """The table and, where each dense field has an embedding v_i, those too."""
        return [p for p in (self.table.weight, self.dense) if isinstance(p, nn.Parameter)]

    def forward(self, dense_BN: Tensor, sparse_BF: Tensor) -> Tensor:
        """Return x_BTD."""
        tokens = []
        if isinstance(self.dense, nn.Module):
            tokens.append(self.dense(dense_BN).unsqueeze(1))
        elif self.dense is not None:
            tokens.append(dense_BN.unsqueeze(-1) * self.dense)
        if self.n_sparse:
            row_BF = sparse_BF + self.offset_F
            tokens.append(embedding(row_BF, self.table.weight, sparse=self.row_gradients))
        return tokens[0] if len(tokens) == 1 else torch.cat(tokens, dim=1)
