"""xDeepFM: explicit interactions of bounded order beside a deep network (Lian et al. 2018, arXiv 1803.05170).

    X^k_h = sum_i sum_j W^{k,h}_ij (X^{k-1}_i * X^0_j)       eq. 6, i over the H_{k-1} rows of X^{k-1}, j over the m fields
    p^k_i = sum_d X^k_id                                     eq. 7
    logit = w_linear^T a + w_dnn^T MLP(flatten(X^0)) + w_cin^T [p^1; ...; p^L] + b   section 3.3

Each layer of the CIN is one matrix product of W^k (H_k x H_{k-1} m) with all element-wise products X^{k-1}_i * X^0_j. The
official code passes half of each layer on and pools the other half; this file follows the paper, which does not.

Departures: b occurs twice, with w_dnn and with w_cin, as in FuxiCTR; `cin_bias` adds FuxiCTR's bias in each X^k_h. Without
hidden layers there is no deep network.

B batch, N dense fields, F sparse fields, T tokens (m), D embedding dimension, H rows of X^k (H_k), P all pooled rows.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from optuna import Trial
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from models import base

FEWEST_ROWS = 1  # of a CIN layer


class XDeepFMConfig(base.Config):
    """The compressed interaction network and the deep network."""

    cin: tuple[PositiveInt, ...] = Field(default=(200, 200, 200), min_length=1)  # H_1, ..., H_L; section 4.1, Criteo
    cin_bias: bool = False  # a bias in each X^k_h, as in FuxiCTR
    hidden: tuple[PositiveInt, ...] = (400, 400)  # section 4.1: 400 per layer

    default = {"cin_layers": 2, "cin_share": 0.5, "depth": 2}

    @classmethod
    def suggest(cls, trial: Trial, budget: base.Budget) -> Iterator[base.Shape]:
        """Sample depths around those of section 4.4; the budget sets the widths of the CIN and of the deep network.

        Later shapes have fewer layers in both, then more deep layers, for budgets that the widest layers do not spend.
        """
        cin_layers = trial.suggest_int("cin_layers", 1, 4)
        cin_share = trial.suggest_float("cin_share", 0.2, 0.8)
        depth = trial.suggest_int("depth", 1, 3)

        def shape(n_cin: int, n_deep: int) -> base.Shape:
            def build(rows: int, width: int) -> base.Config:
                return cls(embedding_dim=budget.embedding_dim, cin=(rows,) * n_cin, hidden=(width,) * n_deep)

            return base.Shape(build, shares=(cin_share,), trim=("hidden",), least=(FEWEST_ROWS,))

        for n_deep in base.depths(depth):
            yield shape(min(cin_layers, n_deep) if n_deep < depth else cin_layers, n_deep)
        yield shape(1, 1)

    def flops(self, n_dense: int, n_sparse: int) -> int:
        """Count W^k times the products of each CIN layer, the weights of the pooled rows and the deep network."""
        n_tokens, d = self.n_tokens(n_dense, n_sparse), self.embedding_dim
        rows = (n_tokens, *self.cin)
        cin = 2 * d * n_tokens * sum(a * b for a, b in pairwise(rows))
        deep = base.mlp_flops(n_tokens * d, self.hidden, 1) if self.hidden else 0
        return self.embedding_flops(n_dense) + cin + 2 * sum(self.cin) + deep


class CompressedInteractionNetwork(nn.Module):
    """[p^1; ...; p^L]: the rows of X^1 to X^L, each pooled over the embedding dimension."""

    def __init__(self, n_tokens: int, rows: Sequence[int], bias: bool):
        super().__init__()
        layers = [nn.Linear(n_in * n_tokens, n_out, bias=bias) for n_in, n_out in pairwise((n_tokens, *rows))]
        for layer in layers:
            nn.init.xavier_normal_(layer.weight)
            if bias:
                nn.init.zeros_(layer.bias)
        self.layers = nn.ModuleList(layers)

    def forward(self, x0_BTD: Tensor) -> Tensor:
        """Return p_BP."""
        x0_BDT = x_BDH = x0_BTD.transpose(1, 2).contiguous()
        pooled = []
        for layer in self.layers:
            z_BDHT = x_BDH.unsqueeze(3) * x0_BDT.unsqueeze(2)
            x_BDH = layer(z_BDHT.flatten(2))
            pooled.append(x_BDH.sum(1))
        return torch.cat(pooled, dim=1)


class XDeepFM(base.CTRModel):
    """The sum of the logits of first-order weights, CIN and deep network."""

    Config = XDeepFMConfig

    def __init__(self, config: XDeepFMConfig, n_dense: int, cardinalities: Sequence[int]):
        super().__init__(config, n_dense, cardinalities)
        self.linear = base.FieldWeights(n_dense, cardinalities, config.embedding_std)
        self.cin = CompressedInteractionNetwork(self.n_tokens, config.cin, config.cin_bias)
        self.output = base.mlp(sum(config.cin), (), 1)
        self.deep = None
        if config.hidden:
            n_in = self.n_tokens * config.embedding_dim
            self.deep = base.mlp(n_in, config.hidden, 1, dropout=config.dropout, batch_norm=config.batch_norm)

    def forward(self, dense_BN: Tensor, sparse_BF: Tensor) -> Tensor:
        """Return logit_B."""
        x_BTD = self.embed(dense_BN, sparse_BF)
        logit_B1 = self.linear(dense_BN, sparse_BF) + self.output(self.cin(x_BTD))
        if self.deep is not None:
            logit_B1 = logit_B1 + self.deep(x_BTD.flatten(1))
        return logit_B1.squeeze(1)
