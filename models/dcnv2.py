"""DCNv2: cross layers of bit-wise interactions with a deep network (Wang et al. 2021, arXiv 2008.13535).

    x_0     = flatten(X)
    x_{l+1} = x_0 * (W_l x_l + b_l) + x_l                    eq. 1, W_l full
    x_{l+1} = x_0 * (U_l V_l^T x_l + b_l) + x_l              eq. 2, W_l of rank r
    stacked:  logit = w^T MLP(x_L)                           section 3.3
    parallel: logit = w^T [x_L; MLP(x_0)]

Departures: the mixture of low-rank experts (eq. 4) is left out. Without hidden layers only the cross network remains.

B batch, N dense fields, F sparse fields, T tokens, D embedding dimension, C = T D.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from optuna import Trial
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn

from models import base

LOWEST_RANK = 4


class DCNv2Config(base.Config):
    """Cross network, deep network and how they are combined."""

    cross_layers: NonNegativeInt = 3
    rank: PositiveInt | None = None  # of each W_l; None: full
    hidden: tuple[PositiveInt, ...] = (400, 400, 400)
    structure: Literal["parallel", "stacked"] = "parallel"

    default = {"cross_layers": 2, "cross_share": 0.4, "depth": 2, "structure": "parallel"}

    @classmethod
    def suggest(cls, trial: Trial, budget: base.Budget) -> Iterator[base.Shape]:
        """Sample 1 to 4 cross layers, structure and depth 1 to 4 (section 6.2); the budget sets rank and deep width.

        From half the input width on, a factored W_l costs no less than a full one, which replaces it. Later shapes have fewer
        cross layers, then fewer deep layers, then more, for budgets that the widest layers do not spend.
        """
        cross_layers = trial.suggest_int("cross_layers", 1, 4)
        cross_share = trial.suggest_float("cross_share", 0.1, 0.8)
        depth = trial.suggest_int("depth", 1, 4)
        structure = trial.suggest_categorical("structure", ["parallel", "stacked"])
        full_rank = (budget.n_dense + budget.n_sparse) * budget.embedding_dim // 2

        def shape(n_layers: int, n_deep: int) -> base.Shape:
            def build(rank: int, width: int) -> base.Config:
                return cls(
                    embedding_dim=budget.embedding_dim,
                    cross_layers=n_layers,
                    rank=rank if rank < full_rank else None,
                    hidden=(width,) * n_deep,
                    structure=structure,  # type: ignore[arg-type]
                )

            return base.Shape(build, shares=(cross_share,), trim=("hidden",), least=(LOWEST_RANK,))

        yield from (shape(n_layers, depth) for n_layers in range(cross_layers, 0, -1))
        yield from (shape(1 if n_deep < depth else cross_layers, n_deep) for n_deep in base.depths(depth)[1:])

    def flops(self, n_dense: int, n_sparse: int) -> int:
        """Count the cross layers, the deep network and the final weights."""
        n_in = self.n_tokens(n_dense, n_sparse) * self.embedding_dim
        cross = 2 * self.cross_layers * (n_in * n_in if self.rank is None else 2 * n_in * self.rank)
        deep = base.mlp_flops(n_in, self.hidden)
        n_out = self.hidden[-1] if self.hidden else 0
        if self.structure == "parallel" or not self.hidden:
            n_out += n_in
        return self.embedding_flops(n_dense) + cross + deep + 2 * n_out


class CrossLayer(nn.Module):
    """x_0 * (W x_l + b) + x_l, with W full or U V^T."""

    def __init__(self, n_in: int, rank: int | None):
        super().__init__()
        if rank is None:
            self.linear: nn.Module = base.Linear(n_in, n_in)
        else:
            self.linear = nn.Sequential(base.Linear(n_in, rank, bias=False), base.Linear(rank, n_in))
        for layer in self.linear.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_normal_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, x0_BC: Tensor, x_BC: Tensor) -> Tensor:
        """Return the next x_BC."""
        return x_BC + x0_BC * self.linear(x_BC)  # addcmul would take two more passes in backward


class DCNv2(base.CTRModel):
    """Cross network and deep network, parallel or stacked."""

    Config = DCNv2Config

    def __init__(self, config: DCNv2Config, n_dense: int, cardinalities: Sequence[int]):
        super().__init__(config, n_dense, cardinalities)
        n_in = self.n_tokens * config.embedding_dim
        self.cross = nn.ModuleList(CrossLayer(n_in, config.rank) for _ in range(config.cross_layers))
        self.deep = base.mlp(n_in, config.hidden, dropout=config.dropout, batch_norm=config.batch_norm)
        self.parallel = config.structure == "parallel" and bool(config.hidden)
        n_out = config.hidden[-1] if config.hidden else n_in
        self.output = base.mlp(n_out + (n_in if self.parallel else 0), (), 1)

    def forward(self, dense_BN: Tensor, sparse_BF: Tensor) -> Tensor:
        """Return logit_B."""
        x0_BC = x_BC = self.embed(dense_BN, sparse_BF).flatten(1)
        for layer in self.cross:
            x_BC = layer(x0_BC, x_BC)
        out = torch.cat([x_BC, self.deep(x0_BC)], dim=1) if self.parallel else self.deep(x_BC)
        return self.output(out).squeeze(1)
