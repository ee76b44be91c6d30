"""Layers that several models use. B batch, N dense fields, F sparse fields, T tokens, D embedding dimension."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, embedding_bag

from models.base.config import NARROWEST, Budget, Config
from models.base.linear import Linear

BOTTOM_SHARE = 0.25  # of the budget that a bottom MLP may take


def mlp(
    n_in: int,
    hidden: Sequence[int],
    n_out: int | None = None,
    *,
    dropout: float = 0.0,
    batch_norm: bool = False,
    bias: bool = True,
) -> nn.Sequential:
    """Return Linear, (BatchNorm), ReLU, (Dropout) for each hidden width, then a final Linear if `n_out` is given.

    Weights are Xavier-normal and biases 0, as in FuxiCTR, so that published settings mean the same here.

    Args:
        n_in: input width.
        hidden: hidden widths.
        n_out: output width of the final Linear; None for no final Linear.
        dropout: rate after each ReLU.
        batch_norm: whether a BatchNorm comes before each ReLU.
        bias: whether the linear layers have biases.
    """
    layers: list[nn.Module] = []
    for width in hidden:
        layers.append(Linear(n_in, width, bias=bias))
        if batch_norm:
            layers.append(nn.BatchNorm1d(width))
        layers.append(nn.ReLU())
        if dropout:
            layers.append(nn.Dropout(dropout))
        n_in = width
    if n_out is not None:
        layers.append(Linear(n_in, n_out, bias=bias))
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
            if bias:
                nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def mlp_flops(n_in: int, hidden: Sequence[int], n_out: int | None = None) -> int:
    """Return the forward FLOPs per example of `mlp`.

    Args:
        n_in: input width.
        hidden: hidden widths.
        n_out: output width of the final Linear; None for no final Linear.
    """
    widths = [n_in, *hidden, *([] if n_out is None else [n_out])]
    return 2 * sum(a * b for a, b in pairwise(widths))


def tapered(width: int, depth: int, taper: float) -> tuple[int, ...]:
    """Return `depth` hidden widths, each `taper` times the one before and none below NARROWEST.

    Args:
        width: the first width.
        depth: number of hidden layers.
        taper: ratio of a width to the one before.
    """
    return tuple(max(min(width, NARROWEST), round(width * taper**i)) for i in range(depth))


def affordable(hidden: tuple[int, ...], budget: Budget) -> tuple[int, ...]:
    """Return the hidden widths of a bottom MLP, halved until it takes at most BOTTOM_SHARE of the budget.

    None falls below NARROWEST: a bottom MLP that takes more leaves a model nothing to interact with.

    Args:
        hidden: widths as sampled.
        budget: with the number of dense fields, which may be 0.
    """
    allowed = BOTTOM_SHARE * budget.flops
    while (
        budget.n_dense and mlp_flops(budget.n_dense, hidden, budget.embedding_dim) > allowed and max(hidden) > NARROWEST
    ):
        hidden = tuple(max(NARROWEST, width // 2) for width in hidden)
    return hidden


def depths(sampled: int, most: int = 16) -> list[int]:
    """Return numbers of layers in the order in which a search space tries them: as sampled, fewer, then more.

    Args:
        sampled: the number that the trial asks for.
        most: the largest number.
    """
    return [*range(sampled, 0, -1), *range(sampled + 1, most + 1)]


def fan_in_(weight: Tensor, fan_in: int) -> Tensor:
    """Fill `weight` with N(0, 1 / fan_in), so that unit-variance inputs give unit-variance outputs; return it."""
    return nn.init.normal_(weight, std=1 / math.sqrt(fan_in))


# A sparse field's number of rows; a frozen table itself, (rows, W); or the length of a sequence and the field that it reads.
Cardinality = int | Tensor | tuple[int, int]
FROZEN = "frozen_table_"  # prefix of a buffer's name, before the field's position


class FieldEmbedding(nn.Module):
    """Embed dense_BN and sparse_BF as tokens x_BTD, dense fields first.

    The sparse fields share one fused table: field f owns the `cardinalities[f]` rows that start at `offset_F[f]`. Dense fields
    become one token by a bottom MLP (Wukong section 3.2, DLRM) or one token each, v_i * x_i (FuxiCTR, AutoInt section 4.3).

    A sequence field, given as (length, f) after all sparse fields, has `length` columns of ids of field f, padded with -1,
    after the columns of the sparse fields. Its one token is the mean of its ids' rows in the table of field f, and 0 for an
    empty sequence (masked average pooling, FuxiCTR).

    A field with a frozen table, pretrained vectors of any width W, comes after the other sparse fields. Its token is a linear
    map of the vector, (W, D) without a bias, and so is the token of each sequence that reads the table, a map of the mean;
    each token has its own map, as in BARS's settings of FuxiCTR (`freeze_emb` with nn.Linear as `feature_encoder`). The map
    counts as an embedding for both L2 and FLOPs: no budget includes the 2 W D FLOPs of such a token, for any model.

    Args:
        n_dense: number of dense fields N.
        cardinalities: one entry per sparse field, then frozen table, then sequence; see `Cardinality`.
        config: gives D, the initialisation and the bottom MLP.
        bottom_relu: whether the bottom MLP ends in a ReLU.
    """

    def __init__(
        self, n_dense: int, cardinalities: Sequence[Cardinality], config: Config, *, bottom_relu: bool = False
    ):
        super().__init__()
        if not n_dense and not cardinalities:
            raise ValueError("a model needs at least one dense or sparse field; got none")
        d = config.embedding_dim
        rows = [c for c in cardinalities if isinstance(c, int)]
        self.n_dense, self.n_sparse = n_dense, len(rows)
        frozen = {len(rows) + i: c for i, c in enumerate(c for c in cardinalities if isinstance(c, Tensor))}
        for field, vectors in frozen.items():  # not in checkpoints: the data set provides them
            self.register_buffer(f"{FROZEN}{field}", vectors, persistent=False)
        # a frozen field is a sequence of one value
        self.sequences = [*((1, field) for field in frozen), *(c for c in cardinalities if isinstance(c, tuple))]
        self.maps = nn.ModuleList(
            mlp(frozen[field].shape[1], (), d, bias=False) if field in frozen else nn.Identity()
            for _, field in self.sequences
        )
        offset_F = torch.tensor([0, *rows[:-1]], dtype=torch.int64).cumsum(0)
        self.register_buffer("offset_F", offset_F[: len(rows)], persistent=False)
        self.offset_F: Tensor
        self.table = nn.Embedding(sum(rows), d)
        self.row_gradients = False  # whether backward keeps the table's gradient as rows; `Update` takes both forms
        nn.init.normal_(self.table.weight, std=config.embedding_std)
        self.dense: nn.Module | nn.Parameter | None = None
        if n_dense and config.bottom_mlp:
            # without dropout, as in BARS: it would hide fields, few of which reach one embedding
            bottom = mlp(n_dense, config.bottom_mlp, d, batch_norm=config.batch_norm)
            self.dense = bottom.append(nn.ReLU()) if bottom_relu else bottom
        elif n_dense:
            self.dense = nn.Parameter(nn.init.normal_(torch.empty(n_dense, d), std=config.embedding_std))

    def embeddings(self) -> list[nn.Parameter]:
        """Return the table, the embeddings v_i of dense fields and the maps of frozen vectors, those that exist."""
        return [*(p for p in (self.table.weight, self.dense) if isinstance(p, nn.Parameter)), *self.maps.parameters()]

    def forward(self, dense_BN: Tensor, sparse_BF: Tensor) -> Tensor:
        """Return x_BTD."""
        tokens = []
        if isinstance(self.dense, nn.Module):
            tokens.append(self.dense(dense_BN).unsqueeze(1))
        elif self.dense is not None:
            tokens.append(dense_BN.unsqueeze(-1) * self.dense)
        if self.n_sparse:
            row_BF = sparse_BF[:, : self.n_sparse] + self.offset_F
            tokens.append(embedding(row_BF, self.table.weight, sparse=self.row_gradients))
        start = self.n_sparse
        for (length, field), to_token in zip(self.sequences, self.maps, strict=True):
            tokens.append(to_token(self._mean(sparse_BF[:, start : start + length], field)).unsqueeze(1))
            start += length
        return tokens[0] if len(tokens) == 1 else torch.cat(tokens, dim=1)

    def _mean(self, id_BL: Tensor, field: int) -> Tensor:
        """Return the mean row of the ids that are not -1 in the field's table, (B, D) or (B, W)."""
        present_BL = (id_BL >= 0).to(self.table.weight.dtype)
        weight_BL = present_BL / present_BL.sum(1, keepdim=True).clamp(min=1)
        row_BL = id_BL.clamp(min=0)
        if field >= self.n_sparse:
            vectors = self.get_buffer(f"{FROZEN}{field}")
            return embedding_bag(row_BL, vectors, mode="sum", per_sample_weights=weight_BL)
        return embedding_bag(
            row_BL + self.offset_F[field],
            self.table.weight,
            mode="sum",
            per_sample_weights=weight_BL,
            sparse=self.row_gradients,
        )


class FieldWeights(nn.Module):
    """First-order part sum_i w_i x_i: a weight for each dense field and each sparse value, as embeddings of width 1.

    Args:
        n_dense: number of dense fields.
        cardinalities: as in `FieldEmbedding`.
        std: standard deviation of the initial weights.
    """

    def __init__(self, n_dense: int, cardinalities: Sequence[int], std: float):
        super().__init__()
        self.embed = FieldEmbedding(n_dense, cardinalities, Config(embedding_dim=1, embedding_std=std))

    def forward(self, dense_BN: Tensor, sparse_BF: Tensor) -> Tensor:
        """Return logit_B1, without a bias."""
        return self.embed(dense_BN, sparse_BF).sum(1)
