"""Wukong: stacked factorization machines that scale (Zhang et al., ICML 2024, arXiv 2403.02545).

    FM(X)    = X X^T Y = X (X^T Y)                           section 3.6, Y (n x k) learnt, optionally from X
    FMB(X)   = reshape(MLP(LN(flatten(FM(X)))))              section 3.4, n_F embeddings
    LCB(X)   = W_L X                                         section 3.5, n_L embeddings
    X_{i+1}  = LN(concat(FMB_i(X_i), LCB_i(X_i)) + W_R X_i)  section 3.3, post-norm; W_R only if the counts differ
    logit    = MLP(flatten(X_l))                             section 3.1

One bottom MLP turns the dense fields into one embedding (section 3.2, App. A). Where the paper is silent, we choose: no
activation after the FMB's last linear layer; no bias in LCB and W_R; fan-in initialisation of Y, W_L and W_R; a separate Y in
each layer. Other readings and ablations are variants in wukong.toml. Departures: none known. LayerNorm's eps is above the
first FM's variance for small embeddings; this does no measurable harm (docs/methodology.md).

B batch, N dense fields, F sparse fields, T tokens into a layer (n), D embedding dimension, K rank of Y (k), O tokens out.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from optuna import Trial
from pydantic import NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn

from models import base
from models._wukong_space import WIDEST, larger, smaller, space_of


class WukongConfig(base.TokenConfig):
    """The interaction stack and the MLPs around it."""

    bottom_mlp: tuple[PositiveInt, ...] = (512, 256)  # App. A
    layers: PositiveInt = 2  # l
    n_fmb: PositiveInt | tuple[PositiveInt, ...] = 8  # n_F, FMB embeddings of every layer, or one per layer (pyramid)
    n_lcb: PositiveInt | tuple[PositiveInt, ...] = 8  # n_L, LCB embeddings, likewise
    rank: PositiveInt | None = 24  # k, columns of Y; None: the whole X X^T
    fmb_mlp: tuple[PositiveInt, ...] = (2048, 2048, 2048)  # "MLP" of Table 5
    top_mlp: tuple[PositiveInt, ...] = (512,)
    attentive_tokens: NonNegativeInt = 0  # embeddings that X is compressed to for Y (section 3.6); 0: static Y
    attentive_mlp: tuple[PositiveInt, ...] = (64,)
    without: tuple[Literal["fmb", "lcb", "residual"], ...] = ()  # parts whose output is zeroed (section 7.3)
    fmb_relu: bool = False  # a ReLU on the FMB's embeddings
    residual_bias: bool = False
    top_batch_norm: bool = False
    bias: bool = True  # in linear layers and norms

    default = {"lcb_ratio": 1.0, "fmb_share": 0.8, "depth": 1, "top_depth": 1, "bottom_width": 64, "bottom_depth": 1}

    @model_validator(mode="after")
    def _one_width_per_layer(self) -> "WukongConfig":
        for name in ("n_fmb", "n_lcb"):
            widths = getattr(self, name)
            if isinstance(widths, tuple) and len(widths) != self.layers:
                raise ValueError(
                    f"{name} {widths} has {len(widths)} entries; use one number or {self.layers}, one per layer"
                )
        return self

    @classmethod
    def default_at(cls, budget: base.Budget) -> dict[str, Any]:
        """Return trial 0's parameters: l, n_F and k grow with the budget, as in Table 5."""
        return space_of(budget).default | cls.default

    @classmethod
    def suggest(cls, trial: Trial, budget: base.Budget) -> Iterator[base.Shape]:
        """Sample l, n_F, n_L and k around Table 5's for a budget of this size, and the MLPs within App. A.

        The budget sets the widths of the FMB's and the top MLP. Later shapes have fewer embeddings and a lower rank, then fewer
        layers, then a narrower bottom MLP; then more of all these, for budgets that the widest MLPs do not spend.
        """
        space = space_of(budget)
        sampled = (
            trial.suggest_int("layers", *space.layers),
            trial.suggest_categorical("n_fmb", space.n_fmb),
            trial.suggest_categorical("rank", space.rank),
            trial.suggest_categorical("bottom_width", [16, 64, 256]),
        )
        lcb_ratio = trial.suggest_categorical("lcb_ratio", [0.5, 1.0, 2.0])
        fmb_share = trial.suggest_float("fmb_share", 0.5, 0.95)
        depth, top_depth = trial.suggest_int("depth", 1, 3), trial.suggest_int("top_depth", 1, 3)
        bottom_depth = trial.suggest_int("bottom_depth", 1, 2)

        def shape(layers: int, n_fmb: int, rank: int, bottom_width: int) -> base.Shape:
            def build(fmb_width: int, top_width: int) -> base.Config:
                return cls(
                    embedding_dim=budget.embedding_dim,
                    bottom_mlp=base.affordable((2 * bottom_width, bottom_width)[-bottom_depth:], budget),
                    layers=layers,
                    n_fmb=n_fmb,
                    n_lcb=max(1, round(n_fmb * lcb_ratio)),
                    rank=rank,
                    fmb_mlp=(fmb_width,) * depth,
                    top_mlp=(top_width,) * top_depth,
                )

            return base.Shape(build, shares=(fmb_share,), trim=("top_mlp", "fmb_mlp"), widest=WIDEST)

        yield shape(*sampled)
        yield from (shape(*sizes) for sizes in smaller(*sampled))
        yield from (shape(*sizes) for sizes in larger(*sampled))

    def widths(self, n_first: int) -> list[tuple[int, int, int]]:
        """Return (n, n_F, n_L) of each layer; the first layer reads `n_first` embeddings."""
        each = [w if isinstance(w, tuple) else (w,) * self.layers for w in (self.n_fmb, self.n_lcb)]
        n_in = [n_first, *(fmb + lcb for fmb, lcb in zip(*each, strict=True))]
        return list(zip(n_in[:-1], *each, strict=True))

    def flops(self, n_dense: int, n_sparse: int) -> int:
        """Count the embeddings, each layer's Y, FM, FMB's MLP, LCB and residual, and the top MLP."""
        d = self.embedding_dim
        total = self.embedding_flops(n_dense)
        n_out = 0
        for n, n_fmb, n_lcb in self.widths(self.n_tokens(n_dense, n_sparse)):
            n_out = n_fmb + n_lcb
            if "fmb" not in self.without:
                k = self.rank or n
                if self.attentive_tokens and self.rank:
                    compressed = self.attentive_tokens * d
                    total += 2 * n * compressed + base.mlp_flops(compressed, self.attentive_mlp, n * k)
                total += 2 * n * k * d * (2 if self.rank else 1)
                total += base.mlp_flops(n * k, self.fmb_mlp, n_fmb * d)
            if "lcb" not in self.without:
                total += 2 * n * n_lcb * d
            if "residual" not in self.without and n != n_out:
                total += 2 * n * n_out * d
        return total + base.mlp_flops(n_out * d, self.top_mlp, 1)


class LinearCompressBlock(nn.Module):
    """W_L X: n_L embeddings, each a linear combination of the n embeddings of X. Also the residual's W_R."""

    def __init__(self, n_in: int, n_out: int, *, bias: bool = False):
        super().__init__()
        self.weight_OT = nn.Parameter(base.fan_in_(torch.empty(n_out, n_in), n_in))
        self.bias_O1 = nn.Parameter(torch.zeros(n_out, 1)) if bias else None

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return x_BOD."""
        x_BOD = base.combinations(self.weight_OT, x_BTD)
        return x_BOD if self.bias_O1 is None else x_BOD + self.bias_O1


class AttentiveY(nn.Module):
    """Y from X (section 3.6): linear compression to C embeddings, then an MLP from these to n x k."""

    def __init__(self, n_in: int, rank: int, config: WukongConfig):
        super().__init__()
        self.compress = LinearCompressBlock(n_in, config.attentive_tokens)
        n_compressed = config.attentive_tokens * config.embedding_dim
        self.mlp = base.mlp(n_compressed, config.attentive_mlp, n_in * rank, bias=config.bias)
        self.n_in = n_in

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return y_BTK."""
        return self.mlp(self.compress(x_BTD).flatten(1)).unflatten(1, (self.n_in, -1))


class FactorizationMachineBlock(nn.Module):
    """reshape(MLP(LN(flatten(X (X^T Y))))): n_F embeddings of all pairwise interactions."""

    def __init__(self, n_in: int, n_out: int, config: WukongConfig):
        super().__init__()
        self.attentive_y, self.y_TK = None, None
        if config.rank and config.attentive_tokens:
            self.attentive_y = AttentiveY(n_in, config.rank, config)
        elif config.rank:
            self.y_TK = nn.Parameter(base.fan_in_(torch.empty(n_in, config.rank), n_in))
        n_flat, self.n_out = n_in * (config.rank or n_in), n_out
        self.norm = nn.LayerNorm(n_flat, bias=config.bias)
        mlp = base.mlp(
            n_flat,
            config.fmb_mlp,
            n_out * config.embedding_dim,
            dropout=config.dropout,
            batch_norm=config.batch_norm,
            bias=config.bias,
        )
        self.mlp = mlp.append(nn.ReLU()) if config.fmb_relu else mlp

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return x_BOD with n_F embeddings."""
        if self.y_TK is not None:
            yx_BKD = base.combinations(self.y_TK.t(), x_BTD)
        else:
            yx_BKD = x_BTD if self.attentive_y is None else self.attentive_y(x_BTD).transpose(1, 2) @ x_BTD
        fm_BTK = x_BTD @ yx_BKD.transpose(1, 2)
        return self.mlp(self.norm(fm_BTK.flatten(1))).unflatten(1, (self.n_out, -1))


class WukongLayer(nn.Module):
    """LN(concat(FMB(X), LCB(X)) + residual(X)).

    Args:
        n_in: embeddings into the layer, n.
        n_fmb: embeddings from the FMB, n_F.
        n_lcb: embeddings from the LCB, n_L.
        config: everything else.
    """

    def __init__(self, n_in: int, n_fmb: int, n_lcb: int, config: WukongConfig):
        super().__init__()
        n_out = n_fmb + n_lcb
        without = config.without
        self.fmb = Zero(n_fmb) if "fmb" in without else FactorizationMachineBlock(n_in, n_fmb, config)
        self.lcb = Zero(n_lcb) if "lcb" in without else LinearCompressBlock(n_in, n_lcb)
        self.residual: nn.Module = nn.Identity()
        if "residual" in without:
            self.residual = Zero(n_out)
        elif n_in != n_out:
            self.residual = LinearCompressBlock(n_in, n_out, bias=config.residual_bias)
        self.norm = nn.LayerNorm(config.embedding_dim, bias=config.bias)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return x_BOD with n_F + n_L embeddings."""
        return self.norm(torch.cat([self.fmb(x_BTD), self.lcb(x_BTD)], dim=1) + self.residual(x_BTD))


class Zero(nn.Module):
    """Zeros in place of an ablated part."""

    def __init__(self, n_out: int):
        super().__init__()
        self.n_out = n_out

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return x_BOD."""
        return x_BTD.new_zeros(x_BTD.shape[0], self.n_out, x_BTD.shape[2])


class Wukong(base.TokenModel):
    """The interaction stack and the top MLP."""

    Config = WukongConfig

    def __init__(self, config: WukongConfig, n_dense: int, cardinalities: Sequence[int]):
        super().__init__(config, n_dense, cardinalities)
        widths = config.widths(self.n_tokens)
        self.layers = nn.Sequential(*(WukongLayer(*width, config) for width in widths))
        self.top_mlp = base.mlp(
            sum(widths[-1][1:]) * config.embedding_dim,
            config.top_mlp,
            1,
            dropout=config.dropout,
            batch_norm=config.batch_norm or config.top_batch_norm,
            bias=config.bias,
        )

    def forward(self, dense_BN: Tensor, sparse_BF: Tensor) -> Tensor:
        """Return logit_B."""
        return self.top_mlp(self.layers(self.tokens(dense_BN, sparse_BF)).flatten(1)).squeeze(1)
