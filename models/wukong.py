"""Wukong: stacked factorization machines that scale (Zhang et al., ICML 2024, arXiv 2403.02545).

    FM(X)    = X X^T Y = X (X^T Y)                           section 3.6, Y (n x k) learnt, optionally from X
    FMB(X)   = reshape(MLP(LN(flatten(FM(X)))))              section 3.4, n_F embeddings
    LCB(X)   = W_L X                                         section 3.5, n_L embeddings
    X_{i+1}  = LN(concat(FMB_i(X_i), LCB_i(X_i)) + W_R X_i)  section 3.3, post-norm; W_R only where the counts differ
    logit    = MLP(flatten(X_l))                             section 3.1

Dense fields go through one bottom MLP to one embedding (section 3.2, App. A). What the paper leaves open is read so: no
activation on the FMB's last linear; LCB and W_R without bias; Y, W_L and W_R initialised by fan-in; Y its own in each layer.

B batch, N dense fields, F sparse fields, T tokens into a layer (n), D embedding dimension, K rank of Y (k), C compressed.
"""

from collections.abc import Iterator, Sequence

import torch
from optuna import Trial
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn

from models import base


class WukongConfig(base.Config):
    """The interaction stack and the MLPs around it."""

    bottom_mlp: tuple[PositiveInt, ...] = (512, 256)  # App. A
    layers: PositiveInt = 2  # l
    n_fmb: PositiveInt = 8  # n_F, embeddings from each FMB
    n_lcb: PositiveInt = 8  # n_L, embeddings from each LCB
    rank: PositiveInt = 24  # k, columns of Y
    fmb_mlp: tuple[PositiveInt, ...] = (2048, 2048, 2048)  # "MLP" of Table 5
    top_mlp: tuple[PositiveInt, ...] = (512,)
    attentive_tokens: NonNegativeInt = 0  # X compressed to so many embeddings makes Y (section 3.6); 0: Y is static
    attentive_mlp: tuple[PositiveInt, ...] = (64,)

    default = {"layers": 2, "n_fmb": 8, "lcb_ratio": 1.0, "rank": 8, "depth": 1, "top_depth": 1, "bottom_width": 64}

    @classmethod
    def suggest(cls, trial: Trial, budget: base.Budget) -> Iterator[base.Shape]:
        """Ranges of App. A and Table 5, wider for budgets as large as there; the FMB's width is solved.

        A shape that cannot fit loses layers, then embeddings, then rank, then width of the bottom MLP.
        """
        large = budget.flops >= 10e6
        layers = trial.suggest_int("layers", 1, 8 if large else 4)
        n_fmb = trial.suggest_categorical("n_fmb", [8, 16, 32, 48, 96] if large else [4, 8, 16, 32])
        lcb_ratio = trial.suggest_categorical("lcb_ratio", [0.5, 1.0, 2.0])
        rank = trial.suggest_categorical("rank", [8, 16, 24, 48, 96] if large else [2, 4, 8, 16, 24])
        depth = trial.suggest_int("depth", 1, 3)
        top_depth = trial.suggest_int("top_depth", 1, 2)
        bottom_width = trial.suggest_categorical("bottom_width", [16, 64, 256])

        def shape(layers: int, n_fmb: int, rank: int, bottom_width: int) -> base.Shape:
            def build(width: int) -> base.Config:
                return cls(
                    embedding_dim=budget.embedding_dim,
                    bottom_mlp=(bottom_width,),
                    layers=layers,
                    n_fmb=n_fmb,
                    n_lcb=max(1, round(n_fmb * lcb_ratio)),
                    rank=rank,
                    fmb_mlp=(width,) * depth,
                    top_mlp=(width,) * top_depth,
                )

            return base.Shape(build, trim=("top_mlp", "fmb_mlp"))

        yield shape(layers, n_fmb, rank, bottom_width)
        while layers > 1 or n_fmb > 2 or rank > 2 or bottom_width > 8:
            if layers > 1:
                layers -= 1
            elif n_fmb > 2:
                n_fmb //= 2
            elif rank > 2:
                rank //= 2
            else:
                bottom_width //= 2
            yield shape(layers, n_fmb, rank, bottom_width)

    def flops(self, n_dense: int, n_sparse: int) -> int:
        """Bottom MLP; Y, FM, FMB's MLP, LCB and residual of each layer; top MLP."""
        d, n_out = self.embedding_dim, self.n_fmb + self.n_lcb
        total = self.embedding_flops(n_dense)
        for n in (self.n_tokens(n_dense, n_sparse), *(n_out,) * (self.layers - 1)):
            if self.attentive_tokens:
                compressed = self.attentive_tokens * d
                total += 2 * n * compressed + base.mlp_flops(compressed, self.attentive_mlp, n * self.rank)
            total += 4 * n * self.rank * d
            total += base.mlp_flops(n * self.rank, self.fmb_mlp, self.n_fmb * d)
            total += 2 * n * self.n_lcb * d
            total += 2 * n * n_out * d if n != n_out else 0
        return total + base.mlp_flops(n_out * d, self.top_mlp, 1)


def combinations(weight_OT: Tensor, x_BTD: Tensor) -> Tensor:
    """W X for each example, x_BOD: the same W in a batched product, which is exact and reads X as it lies.

    `W @ X` would transpose X into one product of B D rows and as few columns as W has rows: 4 times slower on a CPU.
    """
    return torch.bmm(weight_OT.expand(len(x_BTD), -1, -1), x_BTD)


class LinearCompressBlock(nn.Module):
    """W_L X: n_L embeddings, each a linear combination of the n embeddings of X. Also the residual's W_R."""

    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.weight_OT = nn.Parameter(base.fan_in_(torch.empty(n_out, n_in), n_in))

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return x_BOD."""
        return combinations(self.weight_OT, x_BTD)


class AttentiveY(nn.Module):
    """Y from X: compressed linearly to C embeddings, flattened, through an MLP to n x k (section 3.6)."""

    def __init__(self, n_in: int, config: WukongConfig):
        super().__init__()
        self.compress = LinearCompressBlock(n_in, config.attentive_tokens)
        n_compressed = config.attentive_tokens * config.embedding_dim
        self.mlp = base.mlp(n_compressed, config.attentive_mlp, n_in * config.rank)
        self.n_in = n_in

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return y_BTK."""
        return self.mlp(self.compress(x_BTD).flatten(1)).unflatten(1, (self.n_in, -1))


class FactorizationMachineBlock(nn.Module):
    """reshape(MLP(LN(flatten(X (X^T Y))))): n_F embeddings of all pairwise interactions."""

    def __init__(self, n_in: int, config: WukongConfig):
        super().__init__()
        self.attentive_y = AttentiveY(n_in, config) if config.attentive_tokens else None
        if self.attentive_y is None:
            self.y_TK = nn.Parameter(base.fan_in_(torch.empty(n_in, config.rank), n_in))
        n_flat, self.n_out = n_in * config.rank, config.n_fmb
        self.norm = nn.LayerNorm(n_flat)
        self.mlp = base.mlp(
            n_flat,
            config.fmb_mlp,
            config.n_fmb * config.embedding_dim,
            dropout=config.dropout,
            batch_norm=config.batch_norm,
        )

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return x_BOD with n_F embeddings."""
        if self.attentive_y is None:
            yx_BKD = combinations(self.y_TK.t(), x_BTD)
        else:
            yx_BKD = self.attentive_y(x_BTD).transpose(1, 2) @ x_BTD
        fm_BTK = x_BTD @ yx_BKD.transpose(1, 2)
        return self.mlp(self.norm(fm_BTK.flatten(1))).unflatten(1, (self.n_out, -1))


class WukongLayer(nn.Module):
    """LN(concat(FMB(X), LCB(X)) + residual(X))."""

    def __init__(self, n_in: int, config: WukongConfig):
        super().__init__()
        n_out = config.n_fmb + config.n_lcb
        self.fmb = FactorizationMachineBlock(n_in, config)
        self.lcb = LinearCompressBlock(n_in, config.n_lcb)
        self.residual = nn.Identity() if n_in == n_out else LinearCompressBlock(n_in, n_out)
        self.norm = nn.LayerNorm(config.embedding_dim)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return x_BOD with n_F + n_L embeddings."""
        return self.norm(torch.cat([self.fmb(x_BTD), self.lcb(x_BTD)], dim=1) + self.residual(x_BTD))


class Wukong(base.CTRModel):
    """The interaction stack and the top MLP."""

    Config = WukongConfig

    def __init__(self, config: WukongConfig, n_dense: int, cardinalities: Sequence[int]):
        super().__init__(config, n_dense, cardinalities)
        n_out = config.n_fmb + config.n_lcb
        counts = (self.n_tokens, *(n_out,) * (config.layers - 1))
        self.layers = nn.Sequential(*(WukongLayer(n_in, config) for n_in in counts))
        self.top_mlp = base.mlp(
            n_out * config.embedding_dim, config.top_mlp, 1, dropout=config.dropout, batch_norm=config.batch_norm
        )

    def forward(self, dense_BN: Tensor, sparse_BF: Tensor) -> Tensor:
        """Return logit_B."""
        return self.top_mlp(self.layers(self.embed(dense_BN, sparse_BF)).flatten(1)).squeeze(1)
