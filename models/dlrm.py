"""DLRM: dot products of all pairs of embeddings beside the dense features (Naumov et al. 2019, arXiv 1906.00091).

    z_0   = BottomMLP(dense)                                 section 2.1.3, ReLU after every layer as in the official code
    z_i   = embedding of sparse field i
    p     = { <z_i, z_j> : i > j }                           each pair once, no diagonal
    logit = TopMLP([z_0; p])

Departures: none. Without dense fields there is no z_0 and the top MLP reads p alone.

B batch, N dense fields, F sparse fields, T tokens, D embedding dimension, P pairs T(T-1)/2.
"""

from collections.abc import Iterator, Sequence

import torch
from optuna import Trial
from pydantic import Field, PositiveInt
from torch import Tensor

from models import base


class DLRMConfig(base.Config):
    """Bottom and top MLP."""

    bottom_mlp: tuple[PositiveInt, ...] = Field(default=(512, 256), min_length=1)  # Wukong App. A
    top_mlp: tuple[PositiveInt, ...] = (512, 512)  # Wukong Table 5, baseline

    default = {"bottom_depth": 1, "bottom_width": 64, "top_depth": 2, "taper": 1.0}

    @classmethod
    def suggest(cls, trial: Trial, budget: base.Budget) -> Iterator[base.Shape]:
        """Sample a bottom MLP of 1 to 3 layers, up to 512 wide, and a top MLP of 1 to 4 layers (official scripts).

        The bottom MLP is narrowed to what `base.affordable` allows; the budget sets the top width. Later shapes have fewer top
        layers, then the narrowest bottom MLP, then more top layers, for budgets that the widest layers do not spend.
        """
        bottom_depth = trial.suggest_int("bottom_depth", 1, 3)
        bottom_width = trial.suggest_categorical("bottom_width", [16, 32, 64, 128, 256, 512])
        top_depth = trial.suggest_int("top_depth", 1, 4)
        taper = trial.suggest_categorical("taper", [0.5, 0.75, 1.0])

        sampled = base.affordable(base.tapered(bottom_width, bottom_depth, 0.5), budget)

        def shape(bottom: tuple[int, ...], n_top: int) -> base.Shape:
            def build(width: int) -> base.Config:
                top = base.tapered(width, n_top, taper)
                return cls(embedding_dim=budget.embedding_dim, bottom_mlp=bottom, top_mlp=top)

            return base.Shape(build, trim=("top_mlp",))

        yield from (shape(sampled, n_top) for n_top in range(top_depth, 0, -1))
        yield shape((base.NARROWEST,), 1)
        yield from (shape(sampled, n_top) for n_top in range(top_depth + 1, 16))

    def flops(self, n_dense: int, n_sparse: int) -> int:
        """Count the bottom MLP, all T x T dot products (as the Wukong paper does) and the top MLP."""
        n_tokens, d = self.n_tokens(n_dense, n_sparse), self.embedding_dim
        dots = 2 * n_tokens * n_tokens * d
        n_top = n_tokens * (n_tokens - 1) // 2 + (d if n_dense else 0)
        return self.embedding_flops(n_dense) + dots + base.mlp_flops(n_top, self.top_mlp, 1)


class DLRM(base.CTRModel):
    """Pairwise dot products of the tokens, then the top MLP."""

    Config = DLRMConfig
    bottom_relu = True

    def __init__(self, config: DLRMConfig, n_dense: int, cardinalities: Sequence[int]):
        super().__init__(config, n_dense, cardinalities)
        row_P, column_P = torch.tril_indices(self.n_tokens, self.n_tokens, offset=-1)
        self.register_buffer("pair_P", row_P * self.n_tokens + column_P, persistent=False)
        self.pair_P: Tensor
        n_top = len(self.pair_P) + (config.embedding_dim if n_dense else 0)
        self.top_mlp = base.mlp(n_top, config.top_mlp, 1, dropout=config.dropout, batch_norm=config.batch_norm)

    def forward(self, dense_BN: Tensor, sparse_BF: Tensor) -> Tensor:
        """Return logit_B."""
        z_BTD = self.embed(dense_BN, sparse_BF)
        dot_BTT = z_BTD @ z_BTD.transpose(1, 2)
        top = dot_BTT.flatten(1).index_select(1, self.pair_P)
        if dense_BN.shape[1]:
            top = torch.cat([z_BTD[:, 0], top], dim=1)
        return self.top_mlp(top).squeeze(1)
