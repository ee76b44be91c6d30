"""RankMixer: parameter-free token mixing with an FFN per token (Zhu et al. 2025, arXiv 2507.15551).

    x_i     = Proj_i(e_input[d (i - 1) : d i])               eq. 2, token i of T, e_input the concatenated embeddings
    s^h     = concat(x_1^h, ..., x_T^h)                      eq. 3 and 4, x_t^h the h-th of H = T parts of token t
    S_{n-1} = LN(TokenMixing(X_{n-1}) + X_{n-1})             eq. 1
    X_n     = LN(PFFN(S_{n-1}) + S_{n-1})                    eq. 1
    v_t     = W_t2 GELU(W_t1 s_t + b_t1) + b_t2              section 3.3.2, separate weights for each token
    logit   = w^T mean_t(X_L) + b                            section 3.1

Departures: public data has no semantic groups, so e_input takes the fields in their order; if T does not divide its length,
neighbouring slices overlap by an element. The sparse mixture of experts (section 3.4) is left out. The hidden widths k D of
the FFNs may differ from layer to layer, so that a budget can be met.

B batch, N dense fields, F sparse fields, T tokens, C fields x embedding dimension, E length of a slice (the paper's d),
W token width (the paper's D), H heads, I and O input and output widths of a linear map.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from optuna import Trial
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn.functional import gelu

from models import base

NARROWEST_TOKEN = 8  # a layer norm over fewer units loses too much information


class RankMixerConfig(base.Config):
    """Tokens and layers."""

    tokens: PositiveInt = 16  # T; RankMixer-100M, section 4.3, which omits the FFN's width
    token_dim: PositiveInt = 768  # W
    ffn: tuple[PositiveInt, ...] = Field(default=(1536, 1536), min_length=1)  # hidden width of each layer's FFN, k W

    default = {"tokens": 8, "layers": 2, "expansion": 2}

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "RankMixerConfig":
        if self.token_dim % self.tokens:
            raise ValueError(
                f"token_dim {self.token_dim} must be a multiple of tokens {self.tokens}, the number of heads"
            )
        return self

    @classmethod
    def suggest(cls, trial: Trial, budget: base.Budget) -> Iterator[base.Shape]:
        """Sample tokens and layers around the paper's 16, 32 and 2 (section 4.3), with fewer tokens for small budgets.

        The token width is the multiple of T nearest to what the expansion k allows; the budget sets the FFN's width. Later
        shapes have fewer layers, then fewer tokens.
        """
        tokens = trial.suggest_categorical("tokens", [8, 16, 32] if budget.flops >= 10e6 else [4, 8, 16])
        layers = trial.suggest_int("layers", 1, 4)
        expansion = trial.suggest_categorical("expansion", [1, 2, 4])
        n_in = (budget.n_dense + budget.n_sparse) * budget.embedding_dim

        def shape(n_tokens: int, n_layers: int) -> base.Shape:
            square = 4 * expansion * n_layers * n_tokens  # FLOPs = square W^2 + 2 C W
            widest = (math.sqrt(n_in**2 + square * budget.flops) - n_in) / square
            token_dim = n_tokens * max(math.ceil(NARROWEST_TOKEN / n_tokens), round(widest / n_tokens))

            def build(width: int) -> base.Config:
                return cls(
                    embedding_dim=budget.embedding_dim, tokens=n_tokens, token_dim=token_dim, ffn=(width,) * n_layers
                )

            return base.Shape(build, trim=("ffn",))

        yield from (shape(tokens, n_layers) for n_layers in range(layers, 0, -1))
        while tokens > 1:
            tokens //= 2
            yield shape(tokens, 1)

    def slice_length(self, n_dense: int, n_sparse: int) -> int:
        """Return E, the number of elements of e_input that a token reads."""
        return math.ceil(self.n_tokens(n_dense, n_sparse) * self.embedding_dim / self.tokens)

    def flops(self, n_dense: int, n_sparse: int) -> int:
        """Count the projection to tokens, both maps of each FFN and the final weights; mixing only moves elements."""
        projection = 2 * self.tokens * self.slice_length(n_dense, n_sparse) * self.token_dim
        ffn = sum(4 * self.tokens * self.token_dim * width for width in self.ffn)
        return self.embedding_flops(n_dense) + projection + ffn + 2 * self.token_dim


class PerTokenLinear(nn.Module):
    """A separate linear map for each token; the tokens come first, so that all maps are one batched product."""

    def __init__(self, tokens: int, n_in: int, n_out: int):
        super().__init__()
        self.weight_TIO = nn.Parameter(base.fan_in_(torch.empty(tokens, n_in, n_out), n_in))
        self.bias_T1O = nn.Parameter(torch.zeros(tokens, 1, n_out))

    def forward(self, x_TBI: Tensor) -> Tensor:
        """Return x_TBO."""
        return x_TBI @ self.weight_TIO + self.bias_T1O


class Tokenisation(nn.Module):
    """Cut e_input into T slices of E elements and project each to a token."""

    def __init__(self, n_in: int, slice_length: int, config: RankMixerConfig):
        super().__init__()
        start_T1 = torch.arange(config.tokens).unsqueeze(1) * n_in // config.tokens
        self.register_buffer("element_TE", start_T1 + torch.arange(slice_length), persistent=False)
        self.element_TE: Tensor
        self.overlap = n_in != config.tokens * slice_length
        self.project = PerTokenLinear(config.tokens, slice_length, config.token_dim)

    def forward(self, x_BC: Tensor) -> Tensor:
        """Return x_TBW."""
        if self.overlap:
            x_BC = x_BC.index_select(1, self.element_TE.flatten())
        return self.project(x_BC.reshape(-1, *self.element_TE.shape).transpose(0, 1))


class TokenMixing(nn.Module):
    """Multi-head token mixing: token h is the concatenated h-th parts of all tokens."""

    def forward(self, x_TBW: Tensor) -> Tensor:
        """Return s_HBW, H = T."""
        tokens, batch, width = x_TBW.shape
        return x_TBW.reshape(tokens, batch, tokens, width // tokens).permute(2, 1, 0, 3).flatten(2)


class PerTokenFFN(nn.Module):
    """W_t2 GELU(W_t1 s_t + b_t1) + b_t2."""

    def __init__(self, config: RankMixerConfig, width: int):
        super().__init__()
        self.up = PerTokenLinear(config.tokens, config.token_dim, width)
        self.down = PerTokenLinear(config.tokens, width, config.token_dim)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, s_TBW: Tensor) -> Tensor:
        """Return v_TBW."""
        return self.down(self.dropout(gelu(self.up(s_TBW))))


class RankMixerBlock(nn.Module):
    """Token mixing and per-token FFN, each followed by a residual and LayerNorm."""

    def __init__(self, config: RankMixerConfig, width: int):
        super().__init__()
        self.mixing, self.ffn = TokenMixing(), PerTokenFFN(config, width)
        self.mixing_norm, self.ffn_norm = nn.LayerNorm(config.token_dim), nn.LayerNorm(config.token_dim)

    def forward(self, x_TBW: Tensor) -> Tensor:
        """Return the next x_TBW."""
        s_TBW = self.mixing_norm(self.mixing(x_TBW) + x_TBW)
        return self.ffn_norm(self.ffn(s_TBW) + s_TBW)


class RankMixer(base.CTRModel):
    """Tokens, blocks, mean over tokens, logit."""

    Config = RankMixerConfig

    def __init__(self, config: RankMixerConfig, n_dense: int, cardinalities: Sequence[int]):
        super().__init__(config, n_dense, cardinalities)
        slice_length = config.slice_length(n_dense, len(cardinalities))
        self.tokenisation = Tokenisation(self.n_tokens * config.embedding_dim, slice_length, config)
        self.blocks = nn.Sequential(*(RankMixerBlock(config, width) for width in config.ffn))
        self.output = base.mlp(config.token_dim, (), 1)

    def forward(self, dense_BN: Tensor, sparse_BF: Tensor) -> Tensor:
        """Return logit_B."""
        x_TBW = self.blocks(self.tokenisation(self.embed(dense_BN, sparse_BF).flatten(1)))
        return self.output(x_TBW.mean(0)).squeeze(1)
