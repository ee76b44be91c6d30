"""LR: logistic regression, a weight for each value and no interaction (Richardson et al., WWW 2007).

    logit = b + sum_i w_i x_i                                x one-hot in the sparse fields

The weights are embeddings of width 1, whatever the protocol's embedding dimension. LR has no width to spend FLOPs on and costs
0 FLOPs by the suite's convention: it is a reference model, not matched to a budget.

B batch, N dense fields, F sparse fields, T tokens, D embedding dimension (1).
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from optuna import Trial
from torch import Tensor, nn

from models import base


class LRConfig(base.Config):
    """No settings."""

    embedding_dim: Literal[1] = 1
    bottom_mlp: tuple[()] = ()

    default = {}
    budgeted = False

    @classmethod
    def suggest(cls, trial: Trial, budget: base.Budget) -> Iterator[base.Shape]:
        """Yield the only config."""
        yield base.Shape(lambda _: cls())

    def flops(self, n_dense: int, n_sparse: int) -> int:
        """Return 0: w_i x_i is element-wise."""
        return 0


class LR(base.CTRModel):
    """The sum of the weights and the bias."""

    Config = LRConfig

    def __init__(self, config: LRConfig, n_dense: int, cardinalities: Sequence[int]):
        super().__init__(config, n_dense, cardinalities)
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, dense_BN: Tensor, sparse_BF: Tensor) -> Tensor:
        """Return logit_B."""
        w_BTD = self.embed(dense_BN, sparse_BF)
        return w_BTD.sum((1, 2)) + self.bias
