"""AutoInt+: multi-head self-attention over the fields beside a deep network (Song et al. 2019, arXiv 1810.11921).

    a_mk^h  = softmax_k <W_Q^h e_m, W_K^h e_k>               eq. 5, no scaling
    e~_m^h  = sum_k a_mk^h W_V^h e_k                         eq. 6
    e_m'    = ReLU(concat_h e~_m^h + W_Res e_m)              eq. 7 and 8; W_Res only where the widths differ
    logit   = w^T flatten(E') + b + MLP(flatten(E))          eq. 9, and section 5.3 for the "+"

Departures: none. Without hidden layers this is AutoInt. Options of the authors' code, which the search may choose: scores
divided by the root of a head's width, layer norm (here before the ReLU, as in FuxiCTR), a ReLU on Q, K, V and the residual's
projection, dropout on the attention weights. FuxiCTR adds first-order weights (`wide`).

B batch, N dense fields, F sparse fields, T tokens, D embedding dimension, H heads, A attention width (all heads).
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from optuna import Trial
from pydantic import PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn.functional import relu

from models import base

NARROWEST_HEAD = 2
VECTOR = 16  # float32 numbers in a CPU's vector
OPTIONS = ("scaled", "layer_norm", "projection_relu", "attention_dropout")  # of the authors' code


class AutoIntConfig(base.Config):
    """Interacting layers and the parallel deep network."""

    layers: PositiveInt = 3  # official script: 3 blocks, 2 heads, block shape 64
    attention_dim: PositiveInt = 64  # of all heads together
    heads: PositiveInt = 2
    hidden: tuple[PositiveInt, ...] = (400, 400)  # official Criteo script for the "+"
    scaled: bool = False  # divide the scores by sqrt(attention_dim / heads)
    layer_norm: bool = False  # on each interacting layer's sum, before its ReLU
    projection_relu: bool = False  # on Q, K, V and W_Res e, as in the authors' code
    attention_dropout: bool = False  # `dropout` on the attention weights, too
    wide: bool = False  # add first-order weights

    default = {
        **{"layers": 2, "heads": 2, "attention_share": 0.6, "depth": 2},
        **dict.fromkeys(OPTIONS, False),
    }

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "AutoIntConfig":
        if self.attention_dim % self.heads:
            raise ValueError(f"attention_dim {self.attention_dim} must be a multiple of heads {self.heads}")
        return self

    @classmethod
    def suggest(cls, trial: Trial, budget: base.Budget) -> Iterator[base.Shape]:
        """Sample 1 to 4 layers, heads around the paper's 2 (section 5.1.4) and the options of the authors' code.

        The budget sets head width and deep width. Later shapes have fewer attention layers, then fewer heads, then fewer deep
        layers, then more, for budgets that the widest layers do not spend.
        """
        layers = trial.suggest_int("layers", 1, 4)
        heads = trial.suggest_categorical("heads", [1, 2, 4])
        attention_share = trial.suggest_float("attention_share", 0.3, 0.9)
        depth = trial.suggest_int("depth", 1, 3)
        options: dict[str, Any] = {name: trial.suggest_categorical(name, [False, True]) for name in OPTIONS}

        def shape(n_layers: int, n_heads: int, n_deep: int) -> base.Shape:
            def build(head_dim: int, width: int) -> base.Config:
                return cls(
                    embedding_dim=budget.embedding_dim,
                    layers=n_layers,
                    attention_dim=n_heads * head_dim,
                    heads=n_heads,
                    hidden=(width,) * n_deep,
                    **options,
                )

            return base.Shape(build, shares=(attention_share,), trim=("hidden",), least=(NARROWEST_HEAD,))

        yield from (shape(n_layers, heads, depth) for n_layers in range(layers, 0, -1))
        yield from (shape(1, n_heads, depth) for n_heads in (2, 1) if n_heads < heads)
        yield from (shape(1, 1, n_deep) for n_deep in range(depth - 1, 0, -1))
        yield from (shape(layers, heads, n_deep) for n_deep in range(depth + 1, 16))

    def flops(self, n_dense: int, n_sparse: int) -> int:
        """Count Q, K, V, W_Res, scores and weighted sums of each layer, the output and the deep network."""
        n_tokens, d, a = self.n_tokens(n_dense, n_sparse), self.embedding_dim, self.attention_dim
        attention = 0
        for n_in in (d, *(a,) * (self.layers - 1)):
            projections = (3 + (n_in != a)) * n_tokens * n_in * a
            attention += 2 * (projections + 2 * n_tokens * n_tokens * a)
        deep = base.mlp_flops(n_tokens * d, self.hidden, 1) if self.hidden else 0
        return self.embedding_flops(n_dense) + attention + 2 * n_tokens * a + deep


class InteractingLayer(nn.Module):
    """Multi-head self-attention over tokens with a residual and ReLU."""

    def __init__(self, n_in: int, config: AutoIntConfig):
        super().__init__()
        a, self.heads, self.scaled = config.attention_dim, config.heads, config.scaled
        self.query, self.key, self.value = (nn.Linear(n_in, a, bias=False) for _ in range(3))
        self.residual = nn.Identity() if n_in == a else nn.Linear(n_in, a, bias=False)
        self.norm = nn.LayerNorm(a) if config.layer_norm else nn.Identity()
        self.activation = nn.ReLU() if config.projection_relu else nn.Identity()
        self.dropout = nn.Dropout(config.dropout if config.attention_dropout else 0.0)
        for layer in self.children():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_normal_(layer.weight)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return x_BTA."""
        q_BHTA, k_BHTA, v_BHTA = (
            self.activation(linear(x_BTD)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for linear in (self.query, self.key, self.value)
        )
        if self.scaled:
            q_BHTA = q_BHTA / math.sqrt(q_BHTA.shape[-1])
        # a CPU takes 3 times as long for the softmax over a last axis of few tokens as over the one before
        few = x_BTD.shape[1] < VECTOR
        weights_BHTT = (k_BHTA @ q_BHTA.mT).softmax(-2).mT if few else (q_BHTA @ k_BHTA.mT).softmax(-1)
        heads_BTA = (self.dropout(weights_BHTT) @ v_BHTA).transpose(1, 2).flatten(2)
        residual_BTA = x_BTD if isinstance(self.residual, nn.Identity) else self.activation(self.residual(x_BTD))
        return relu(self.norm(heads_BTA + residual_BTA))


class AutoInt(base.CTRModel):
    """Stacked interacting layers, plus the logits of the optional deep network and first-order weights."""

    Config = AutoIntConfig

    def __init__(self, config: AutoIntConfig, n_dense: int, cardinalities: Sequence[int]):
        super().__init__(config, n_dense, cardinalities)
        d, a = config.embedding_dim, config.attention_dim
        self.attention = nn.Sequential(*(InteractingLayer(n_in, config) for n_in in (d, *(a,) * (config.layers - 1))))
        self.output = base.mlp(self.n_tokens * a, (), 1)
        self.deep = None
        if config.hidden:
            self.deep = base.mlp(
                self.n_tokens * d, config.hidden, 1, dropout=config.dropout, batch_norm=config.batch_norm
            )
        self.linear = base.FieldWeights(n_dense, cardinalities, config.embedding_std) if config.wide else None

    def forward(self, dense_BN: Tensor, sparse_BF: Tensor) -> Tensor:
        """Return logit_B."""
        x_BTD = self.embed(dense_BN, sparse_BF)
        logit_B1 = self.output(self.attention(x_BTD).flatten(1))
        if self.deep is not None:
            logit_B1 = logit_B1 + self.deep(x_BTD.flatten(1))
        if self.linear is not None:
            logit_B1 = logit_B1 + self.linear(dense_BN, sparse_BF)
        return logit_B1.squeeze(1)
