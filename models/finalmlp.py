"""FinalMLP: two MLP streams with feature gates, fused bilinearly (Mao et al. 2023, arXiv 2304.00902).

    h_s   = 2 sigmoid(Gate_s(c_s)) * flatten(X)              eq. 4 and 5, stream s = 1, 2; c_s the gate's context
    o_s   = MLP_s(h_s)                                       eq. 1
    logit = b + w_1^T o_1 + w_2^T o_2 + sum_j o_1j^T W_j o_2j   eq. 8 and 9, o_s cut into H chunks o_sj

A context is the embeddings of chosen fields, in the gate's own tables, or a learnt constant if no field is chosen (as in the
official code). Departures: the constant starts from N(0, 1); from 0, as in the official code, no ReLU of the gate would ever
open and only the last bias could learn. Both w_s have a bias, as in the official code.

B batch, N dense fields, F sparse fields, T tokens, D embedding dimension, C = T D, K width of a context (B = 1
where it is constant), H heads, I and J chunk widths.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from optuna import Trial
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn

from models import base


class FinalMLPConfig(base.Config):
    """The streams, their gates and the heads of the fusion."""

    mlp1: tuple[PositiveInt, ...] = (400,)  # BARS Frappe_x1 and MovieLens_x1
    mlp2: tuple[PositiveInt, ...] = (800,)
    gate: tuple[NonNegativeInt, ...] = (800,)  # hidden widths of each gate's MLP; empty: no gates
    context1: tuple[NonNegativeInt, ...] = ()  # positions of the fields that the first gate reads, dense fields first
    context2: tuple[NonNegativeInt, ...] = ()
    heads: PositiveInt = 10
    dropout2: float | None = Field(default=None, ge=0.0, lt=1.0)  # of the second stream; None: `dropout`

    default = {"depth1": 2, "depth2": 1, "ratio": 1.0, "heads": 4, "gate": 64}

    @classmethod
    def default_at(cls, budget: base.Budget) -> dict[str, Any]:
        """Return trial 0's parameters, with constant contexts."""
        return cls.default | ({"contexts": "constant"} if budget.user_fields and budget.item_fields else {})

    @model_validator(mode="after")
    def _heads_divide_widths(self) -> "FinalMLPConfig":
        for name, widths in (("mlp1", self.mlp1), ("mlp2", self.mlp2)):
            if not widths or widths[-1] % self.heads:
                raise ValueError(f"last width of {name} {widths} must be a multiple of heads {self.heads}")
        return self

    @classmethod
    def suggest(cls, trial: Trial, budget: base.Budget) -> Iterator[base.Shape]:
        """Sample depths, ratio of the streams' widths, heads, gates and their contexts within BARS's grids.

        The contexts are constants, or the user's fields in one gate and the item's in the other where the data set names them;
        gates that read fields are given up if they would take more than a quarter of the budget. The budget sets the width.

        Later shapes halve the heads, in case even one unit per head is too wide; then they have fewer layers, and then more,
        for budgets that the widest layers do not spend.
        """
        depth1 = trial.suggest_int("depth1", 1, 3)
        depth2 = trial.suggest_int("depth2", 1, 3)
        ratio = trial.suggest_categorical("ratio", [0.25, 0.5, 1.0, 2.0])
        heads = trial.suggest_categorical("heads", [1, 2, 4, 8, 16])
        gate = trial.suggest_categorical("gate", [0, 64, 256, 800])
        contexts = cls.contexts(trial, budget, gate)

        def shape(n_heads: int, further: int) -> base.Shape:
            def stream(width: float, depth: int) -> tuple[int, ...]:
                last = n_heads * max(math.ceil(base.NARROWEST / n_heads), round(width / n_heads))
                return (*base.tapered(round(width), depth - 1, 1.0), last)

            def build(width: int) -> base.Config:
                return cls(
                    embedding_dim=budget.embedding_dim,
                    mlp1=stream(width, max(1, depth1 + further)),
                    mlp2=stream(width * ratio, max(1, depth2 + further)),
                    gate=(gate,) if gate else (),
                    context1=contexts[0],
                    context2=contexts[1],
                    heads=n_heads,
                )

            return base.Shape(build, trim=("mlp1", "mlp2"))

        fewer = [heads >> halvings for halvings in range(5) if heads >> halvings]
        yield from (shape(n_heads, 0) for n_heads in fewer)
        yield from (shape(1, -gone) for gone in range(1, max(depth1, depth2)))
        yield from (shape(heads, more) for more in range(1, 16))

    @classmethod
    def contexts(cls, trial: Trial, budget: base.Budget, gate: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Sample the fields that the two gates read; none where the data set names none.

        Args:
            trial: that is asked.
            budget: with the positions of the user's and the item's fields.
            gate: hidden width of the gates.
        """
        user, item = budget.user_fields, budget.item_fields
        if not (user and item):
            return (), ()
        chosen = trial.suggest_categorical("contexts", ["constant", "user and item"]) == "user and item"
        n_in = (budget.n_dense + budget.n_sparse) * budget.embedding_dim
        cost = sum(base.mlp_flops(len(fields) * budget.embedding_dim, (gate,), n_in) for fields in (user, item))
        return (user, item) if chosen and gate and cost <= budget.flops / 4 else ((), ())

    def flops(self, n_dense: int, n_sparse: int) -> int:
        """Count both streams, their fusion and the gates that read fields; `flops_per_batch` counts the others."""
        n_in = self.n_tokens(n_dense, n_sparse) * self.embedding_dim
        n1, n2 = self.mlp1[-1], self.mlp2[-1]
        streams = base.mlp_flops(n_in, self.mlp1) + base.mlp_flops(n_in, self.mlp2)
        bilinear = 2 * (n1 * n2 // self.heads + n2)
        gates = sum(self._gate_flops(context, n_in) for context in (self.context1, self.context2) if context)
        return self.embedding_flops(n_dense) + gates + streams + bilinear + 2 * (n1 + n2)

    def flops_per_batch(self, n_dense: int, n_sparse: int) -> int:
        """Count the gates on constant contexts."""
        n_in = self.n_tokens(n_dense, n_sparse) * self.embedding_dim
        return sum(self._gate_flops(context, n_in) for context in (self.context1, self.context2) if not context)

    def _gate_flops(self, context: tuple[int, ...], n_in: int) -> int:
        return base.mlp_flops(max(1, len(context)) * self.embedding_dim, self.gate, n_in) if self.gate else 0


class FeatureGate(nn.Module):
    """2 sigmoid(MLP(c)): a factor for each of the C inputs; c is the embedded context fields or a learnt constant.

    Args:
        config: widths of the gate's MLP and the embeddings.
        context: positions of the context fields, dense fields first; empty for a constant.
        n_dense: number of dense fields of the model.
        cardinalities: rows of each sparse field of the model.
        n_out: number of factors C.
    """

    def __init__(
        self, config: FinalMLPConfig, context: Sequence[int], n_dense: int, cardinalities: Sequence[int], n_out: int
    ):
        super().__init__()
        self.dense, self.sparse = ([f for f in context if f < n_dense], [f - n_dense for f in context if f >= n_dense])
        if context:
            tables = base.Config(embedding_dim=config.embedding_dim, embedding_std=config.embedding_std)
            self.embed = base.FieldEmbedding(len(self.dense), [cardinalities[f] for f in self.sparse], tables)
        else:
            self.context_1D = nn.Parameter(torch.randn(1, config.embedding_dim))
        self.mlp = base.mlp(max(1, len(context)) * config.embedding_dim, config.gate, n_out)

    def forward(self, x_BC: Tensor, dense_BN: Tensor, sparse_BF: Tensor) -> Tensor:
        """Return the gated x_BC.

        Args:
            x_BC: the input of the stream.
            dense_BN: dense fields, for the context.
            sparse_BF: sparse fields, for the context.
        """
        if self.dense or self.sparse:
            context_BK = self.embed(dense_BN[:, self.dense], sparse_BF[:, self.sparse]).flatten(1)
        else:
            context_BK = self.context_1D
        return 2 * self.mlp(context_BK).sigmoid() * x_BC


class BilinearFusion(nn.Module):
    """b + w_1^T o_1 + w_2^T o_2 + sum_j o_1j^T W_j o_2j over H chunks j."""

    def __init__(self, n1: int, n2: int, heads: int):
        super().__init__()
        self.heads = heads
        self.linear1, self.linear2 = base.mlp(n1, (), 1), base.mlp(n2, (), 1)
        self.weight_HIJ = nn.Parameter(nn.init.xavier_normal_(torch.empty(heads, n1 // heads, n2 // heads)))

    def forward(self, o1_BI: Tensor, o2_BJ: Tensor) -> Tensor:
        """Return logit_B1."""
        o1_HBI = o1_BI.unflatten(1, (self.heads, -1)).transpose(0, 1)
        o2_BJ1 = o2_BJ.unsqueeze(2)
        o1W_BJ = (o1_HBI @ self.weight_HIJ).transpose(0, 1).flatten(1)
        bilinear_B1 = (o1W_BJ.unsqueeze(1) @ o2_BJ1).squeeze(2)
        return self.linear1(o1_BI) + self.linear2(o2_BJ) + bilinear_B1


class FinalMLP(base.CTRModel):
    """Two gated streams and their fusion."""

    Config = FinalMLPConfig

    def __init__(self, config: FinalMLPConfig, n_dense: int, cardinalities: Sequence[int]):
        super().__init__(config, n_dense, cardinalities)
        n_in = self.n_tokens * config.embedding_dim
        self.gate1, self.gate2 = (
            FeatureGate(config, context, n_dense, cardinalities, n_in) if config.gate else None
            for context in (config.context1, config.context2)
        )
        dropout2 = config.dropout if config.dropout2 is None else config.dropout2
        self.mlp1 = base.mlp(n_in, config.mlp1, dropout=config.dropout, batch_norm=config.batch_norm)
        self.mlp2 = base.mlp(n_in, config.mlp2, dropout=dropout2, batch_norm=config.batch_norm)
        self.fusion = BilinearFusion(config.mlp1[-1], config.mlp2[-1], config.heads)

    def forward(self, dense_BN: Tensor, sparse_BF: Tensor) -> Tensor:
        """Return logit_B."""
        x_BC = self.embed(dense_BN, sparse_BF).flatten(1)
        h1_BC = self.gate1(x_BC, dense_BN, sparse_BF) if self.gate1 else x_BC
        h2_BC = self.gate2(x_BC, dense_BN, sparse_BF) if self.gate2 else x_BC
        return self.fusion(self.mlp1(h1_BC), self.mlp2(h2_BC)).squeeze(1)
