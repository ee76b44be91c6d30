"""FM: a weight for each value and a dot product for each pair (Rendle, ICDM 2010).

    logit = w_0 + sum_i w_i x_i + sum_{i<j} <v_i, v_j> x_i x_j                       eq. 1
    sum_{i<j} <v_i, v_j> x_i x_j
          = 1/2 sum_d ((sum_i v_id x_i)^2 - sum_i (v_id x_i)^2)                      Lemma 3.1, linear in the fields

By the lemma every operation is element-wise, which is 0 FLOPs by the suite's convention, and the only width is the protocol's
embedding dimension. Like LR, FM is a reference model, not matched to a budget.

B batch, N dense fields, F sparse fields, T tokens, D embedding dimension.
"""

from collections.abc import Iterator, Sequence

import torch
from optuna import Trial
from torch import Tensor, nn

from models import base


class FMConfig(base.Config):
    """No settings but the embedding dimension, which the protocol sets."""

    default = {}
    budgeted = False

    @classmethod
    def suggest(cls, trial: Trial, budget: base.Budget) -> Iterator[base.Shape]:
        """Yield the only config."""
        yield base.Shape(lambda _: cls(embedding_dim=budget.embedding_dim))

    def flops(self, n_dense: int, n_sparse: int) -> int:
        """Count the bottom MLP, if there is one."""
        return self.embedding_flops(n_dense)


class FM(base.CTRModel):
    """Bias, first-order weights and all pairs."""

    Config = FMConfig

    def __init__(self, config: FMConfig, n_dense: int, cardinalities: Sequence[int]):
        super().__init__(config, n_dense, cardinalities)
        self.linear = base.FieldWeights(n_dense, cardinalities, config.embedding_std)
        self.bias = nn.Parameter(torch.zeros(()))  # w_0

    def forward(self, dense_BN: Tensor, sparse_BF: Tensor) -> Tensor:
        """Return logit_B."""
        x_BTD = self.embed(dense_BN, sparse_BF)
        pairs_B = (x_BTD.sum(1).square() - x_BTD.square().sum(1)).sum(1) / 2
        return self.bias + self.linear(dense_BN, sparse_BF).squeeze(1) + pairs_B
