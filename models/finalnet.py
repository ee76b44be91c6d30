"""FinalNet: blocks of factorized interaction layers in place of MLPs (Zhu et al., SIGIR 2023, "FINAL", no preprint).

    h_1   = W_1 x_{l-1} + b_1                                linear, as in an MLP
    h_2   = h_1 * (W_2 x_{l-1} + b_2)                        factorized interaction: degree 2^l after l layers
    x_l   = ReLU(BN([h_1; h_2]))                             "concat", half the width each; for "sum", h_1 + h_2
    X'    = [X; X * (W_g X + b_g)]                           feature gate over the fields, before the first block
    y_s   = w_s^T Block_s + b_s                              block s = 1, 2, on X' and on X
    logit = (y_1 + y_2) / 2                                  "2B"; y_1 alone is "1B"

Departures: the loss that distils the mean prediction into each block is left out, since every model here is trained on
cross-entropy alone. The layers follow the authors' code (FuxiCTR) and the published runs: two factors, the second without
the paper's activation; batch norm and ReLU after each layer. If the width is odd, h_1 has the larger half.

B batch, N dense fields, F sparse fields, T tokens, D embedding dimension, I width into a layer, O out of it.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from optuna import Trial
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from models import base


class FinalNetConfig(base.Config):
    """The two blocks and the gate."""

    block1: tuple[PositiveInt, ...] = Field(default=(400, 400), min_length=1)  # widths; BARS Criteo_x1
    block2: tuple[PositiveInt, ...] = (400, 400)  # empty: "1B"
    residual: Literal["concat", "sum"] = "concat"  # how h_1 and h_2 are combined
    gate: bool = True  # before the first block

    default = {"depth1": 2, "depth2": 1, "taper": 1.0, "ratio": 1.0, "gate": True}

    @classmethod
    def suggest(cls, trial: Trial, budget: base.Budget) -> Iterator[base.Shape]:
        """Sample depths, taper, ratio of the blocks' widths and gate within BARS's grids; the budget sets the width.

        A gate that would take more than a quarter of the budget is dropped. Later shapes have fewer layers, then more, for
        budgets that the widest layers do not spend.
        """
        depth1 = trial.suggest_int("depth1", 1, 3)
        depth2 = trial.suggest_int("depth2", 1, 3)
        taper = trial.suggest_categorical("taper", [0.5, 1.0])
        ratio = trial.suggest_categorical("ratio", [0.5, 1.0, 2.0])
        gate = trial.suggest_categorical("gate", [True, False])
        gate_flops = 2 * (budget.n_dense + budget.n_sparse) ** 2 * budget.embedding_dim
        gate = gate and gate_flops <= budget.flops / 4

        def shape(further: int) -> base.Shape:
            def build(width: int) -> base.Config:
                return cls(
                    embedding_dim=budget.embedding_dim,
                    block1=base.tapered(width, max(1, depth1 + further), taper),
                    block2=base.tapered(max(base.NARROWEST, round(width * ratio)), max(1, depth2 + further), taper),
                    gate=gate,
                )

            return base.Shape(build, trim=("block2", "block1"))

        yield from (shape(-gone) for gone in range(max(depth1, depth2)))
        yield from (shape(more) for more in range(1, 16))

    def flops(self, n_dense: int, n_sparse: int) -> int:
        """Count the gate, both blocks and their final weights."""
        n_tokens, d = self.n_tokens(n_dense, n_sparse), self.embedding_dim
        total = self.embedding_flops(n_dense) + (2 * n_tokens * n_tokens * d if self.gate else 0)
        for n_in, widths in ((n_tokens * d * (1 + self.gate), self.block1), (n_tokens * d, self.block2)):
            for before, width in zip((n_in, *widths), widths, strict=False):
                total += 2 * before * (2 * width if self.residual == "sum" else width)
            total += 2 * widths[-1] if widths else 0
        return total


class FeatureGating(nn.Module):
    """[X; X * (W_g X + b_g)], with all gates initialised to 1."""

    def __init__(self, n_tokens: int):
        super().__init__()
        self.weight_TT = nn.Parameter(torch.zeros(n_tokens, n_tokens))
        self.bias_T1 = nn.Parameter(torch.ones(n_tokens, 1))

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return x with 2 T tokens."""
        return torch.cat([x_BTD, x_BTD * (self.weight_TT @ x_BTD + self.bias_T1)], dim=1)


class FactorizedInteraction(nn.Module):
    """[h_1; h_2] or h_1 + h_2, both factors from one linear map."""

    def __init__(self, n_in: int, n_out: int, residual: str):
        super().__init__()
        self.concat = residual == "concat"
        self.parts = [n_out - n_out // 2, n_out // 2] if self.concat else [n_out, n_out]
        self.linear = base.mlp(n_in, (), sum(self.parts))

    def forward(self, x_BI: Tensor) -> Tensor:
        """Return x_BO."""
        h1, factor = self.linear(x_BI).split(self.parts, dim=1)
        h2 = h1[:, : factor.shape[1]] * factor
        return torch.cat([h1, h2], dim=1) if self.concat else h1 + h2


class FinalBlock(nn.Sequential):
    """Factorized interaction layers, each with BatchNorm, ReLU and dropout, then the block's logit."""

    def __init__(self, n_in: int, widths: Sequence[int], config: FinalNetConfig):
        layers: list[nn.Module] = []
        for width in widths:
            layers.append(FactorizedInteraction(n_in, width, config.residual))
            if config.batch_norm:
                layers.append(nn.BatchNorm1d(width))
            layers += [nn.ReLU(), nn.Dropout(config.dropout)]
            n_in = width
        super().__init__(*layers, base.mlp(n_in, (), 1))


class FinalNet(base.CTRModel):
    """The mean of the logits of two blocks, the first on gated embeddings."""

    Config = FinalNetConfig

    def __init__(self, config: FinalNetConfig, n_dense: int, cardinalities: Sequence[int]):
        super().__init__(config, n_dense, cardinalities)
        n_in = self.n_tokens * config.embedding_dim
        self.gate = FeatureGating(self.n_tokens) if config.gate else nn.Identity()
        self.block1 = FinalBlock(n_in * (1 + config.gate), config.block1, config)
        self.block2 = FinalBlock(n_in, config.block2, config) if config.block2 else None

    def forward(self, dense_BN: Tensor, sparse_BF: Tensor) -> Tensor:
        """Return logit_B."""
        x_BTD = self.embed(dense_BN, sparse_BF)
        logit_B1 = self.block1(self.gate(x_BTD).flatten(1))
        if self.block2 is not None:
            logit_B1 = (logit_B1 + self.block2(x_BTD.flatten(1))) / 2
        return logit_B1.squeeze(1)
