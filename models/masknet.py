"""MaskNet: hidden layers multiplied by instance-guided masks (Wang et al. 2021, arXiv 2102.07619).

    V_emb    = concat(e_1, ..., e_f)                         eq. 4
    V_mask   = W_2 ReLU(W_1 V_emb + b_1) + b_2               eq. 5, instance-guided mask of z elements, t = r z hidden units
    LN_EMB   = concat(LN(e_1), ..., LN(e_f))                 eq. 9, a gain and a bias per field
    V_output = ReLU(LN(W (V_mask * LN_EMB(V_emb))))          eq. 11 and 12, MaskBlock on feature embedding
    V_output = ReLU(LN(W (V_mask * V_output^p)))             eq. 13 and 14, MaskBlock on the output of MaskBlock p
    serial:   logit = w^T V_output + w_0                     eq. 17, each block on the previous one
    parallel: logit = MLP(concat(V_output^1, ..., V_output^u))   eq. 15 to 17, all blocks on the embeddings

Departures: none. Every mask is computed from V_emb, whatever it masks. Serial blocks may also be followed by an MLP.

B batch, N dense fields, F sparse fields, T tokens, D embedding dimension, C = T D, I width into a block, O out of it.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from optuna import Trial
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from models import base

NARROWEST_BLOCK = 8  # a layer norm over fewer units loses too much information
LARGEST_REDUCTION = 5.0  # the largest of Table 6, which shows no gain from it


class MaskNetConfig(base.Config):
    """The MaskBlocks, how they are arranged and the MLP above them."""

    structure: Literal["parallel", "serial"] = "parallel"
    blocks: tuple[PositiveInt, ...] = Field(default=(50, 50, 50), min_length=1)  # output width of each; BARS Frappe_x1
    reduction: PositiveFloat = 2.0  # r = t / z; the paper's setting
    hidden: tuple[PositiveInt, ...] = (400, 400, 400)  # above the blocks
    emb_norm: bool = True  # LN_EMB
    hidden_norm: bool = True  # LN in each block

    default = {"structure": "parallel", "blocks": 2, "mask_share": 0.5, "mlp_ratio": 4, "depth": 2}

    @classmethod
    def suggest(cls, trial: Trial, budget: base.Budget) -> Iterator[base.Shape]:
        """Sample blocks as in Table 5 and Wukong App. A, and an MLP 1 to 8 times as wide as a block, as in BARS's grids.

        The budget sets the reduction ratio and the width of the blocks. There are at least two serial blocks, since one
        serial block is one parallel block. Later shapes have fewer blocks.
        """
        serial = trial.suggest_categorical("structure", ["parallel", "serial"]) == "serial"
        blocks = max(trial.suggest_int("blocks", 1, 8 if budget.flops >= 10e6 else 4), 1 + serial)
        mask_share = trial.suggest_float("mask_share", 0.1, 0.8)
        mlp_ratio = trial.suggest_categorical("mlp_ratio", [1, 2, 4, 8])
        depth = trial.suggest_int("depth", 1, 3)
        n_in = (budget.n_dense + budget.n_sparse) * budget.embedding_dim

        def shape(n_blocks: int) -> base.Shape:
            def build(aggregation: int, width: int) -> base.Config:
                width = max(width, NARROWEST_BLOCK)
                return cls(
                    embedding_dim=budget.embedding_dim,
                    structure="serial" if serial else "parallel",
                    blocks=(width,) * n_blocks,
                    reduction=min(aggregation / n_in, LARGEST_REDUCTION),
                    hidden=() if serial else (mlp_ratio * width,) * depth,
                )

            return base.Shape(build, shares=(mask_share,), trim=("hidden", "blocks"), least=(1,))

        yield from (shape(n_blocks) for n_blocks in range(blocks, 0, -1))

    def aggregation(self, n_masked: int) -> int:
        """Return the width t of the aggregation layer for a mask of n_masked elements."""
        return max(1, round(self.reduction * n_masked))

    def widths_in(self, n_in: int) -> tuple[int, ...]:
        """Return the input width of each block, for embeddings of width n_in together."""
        return (n_in, *self.blocks[:-1]) if self.structure == "serial" else (n_in,) * len(self.blocks)

    def n_out(self) -> int:
        """Return the output width of the blocks together."""
        return self.blocks[-1] if self.structure == "serial" else sum(self.blocks)

    def flops(self, n_dense: int, n_sparse: int) -> int:
        """Count the mask and the hidden layer of each block, and the MLP."""
        n_in = self.n_tokens(n_dense, n_sparse) * self.embedding_dim
        total = self.embedding_flops(n_dense)
        for n_masked, width in zip(self.widths_in(n_in), self.blocks, strict=True):
            total += base.mlp_flops(n_in, (self.aggregation(n_masked),), n_masked) + 2 * n_masked * width
        return total + base.mlp_flops(self.n_out(), self.hidden, 1)


class FieldNorm(nn.Module):
    """LN_EMB: layer norm of each field's embedding over D, with a gain and a bias per field."""

    def __init__(self, n_tokens: int, embedding_dim: int):
        super().__init__()
        self.gain_TD = nn.Parameter(torch.ones(n_tokens, embedding_dim))
        self.bias_TD = nn.Parameter(torch.zeros(n_tokens, embedding_dim))

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return the normed x_BTD."""
        return torch.addcmul(self.bias_TD, layer_norm(x_BTD, x_BTD.shape[-1:]), self.gain_TD)


class MaskBlock(nn.Module):
    """ReLU(LN(W (V_mask * V))), with the instance-guided mask V_mask computed from V_emb.

    Args:
        n_emb: width C of V_emb.
        n_in: width I of V.
        n_out: width O of the output.
        config: reduction ratio, norm and dropout.
    """

    def __init__(self, n_emb: int, n_in: int, n_out: int, config: MaskNetConfig):
        super().__init__()
        self.mask = base.mlp(n_emb, (config.aggregation(n_in),), n_in)
        self.linear = base.Linear(n_in, n_out, bias=False)
        nn.init.xavier_normal_(self.linear.weight)
        self.norm = nn.LayerNorm(n_out) if config.hidden_norm else nn.Identity()
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, emb_BC: Tensor, v_BI: Tensor) -> Tensor:
        """Return v_BO."""
        return self.dropout(self.norm(self.linear(self.mask(emb_BC) * v_BI)).relu())


class MaskNet(base.CTRModel):
    """Serial or parallel MaskBlocks, then the MLP."""

    Config = MaskNetConfig

    def __init__(self, config: MaskNetConfig, n_dense: int, cardinalities: Sequence[int]):
        super().__init__(config, n_dense, cardinalities)
        n_emb = self.n_tokens * config.embedding_dim
        self.serial = config.structure == "serial"
        self.emb_norm = FieldNorm(self.n_tokens, config.embedding_dim) if config.emb_norm else nn.Identity()
        self.blocks = nn.ModuleList(
            MaskBlock(n_emb, n_in, n_out, config)
            for n_in, n_out in zip(config.widths_in(n_emb), config.blocks, strict=True)
        )
        self.mlp = base.mlp(config.n_out(), config.hidden, 1, dropout=config.dropout, batch_norm=config.batch_norm)

    def forward(self, dense_BN: Tensor, sparse_BF: Tensor) -> Tensor:
        """Return logit_B."""
        x_BTD = self.embed(dense_BN, sparse_BF)
        emb_BC, v = x_BTD.flatten(1), self.emb_norm(x_BTD).flatten(1)
        if self.serial:
            for block in self.blocks:
                v = block(emb_BC, v)
        else:
            v = torch.cat([block(emb_BC, v) for block in self.blocks], dim=1)
        return self.mlp(v).squeeze(1)
