"""AFN+: products of embeddings raised to learnt powers, beside a deep network (Cheng et al. 2020, arXiv 1909.03276).

    y_j   = exp(sum_i w_ij ln e_i) = e_1^{w_1j} * ... * e_T^{w_Tj}   logarithmic transformation layer, neuron j of L
    AFN   = MLP(concat(y_1, ..., y_L))                       batch norm after ln and after exp, over fields and neurons
    logit = w_a AFN(X) + w_d MLP(flatten(X')) + b            AFN+: the deep network has embeddings X' of its own

ln needs positive inputs: max(|e|, EPSILON) replaces e. X' counts as embedding parameters.

Departures: EPSILON is FuxiCTR's, reported there as better than the paper's 1e-7. `shared_embedding` gives both networks the
same embeddings, as in the Wukong paper's Criteo run. Without `hidden` this is AFN.

B batch, N dense fields, F sparse fields, T tokens, D embedding dimension, L logarithmic neurons.
"""

from collections.abc import Iterator, Sequence

import torch
from optuna import Trial
from pydantic import PositiveInt
from torch import Tensor, nn

from models import base

EPSILON = 1e-5
FEWEST_NEURONS = 2


class AFNConfig(base.Config):
    """Logarithmic neurons, the MLP above them and the deep network."""

    neurons: PositiveInt = 1000  # L; BARS Frappe_x1
    afn_hidden: tuple[PositiveInt, ...] = (400,)
    hidden: tuple[PositiveInt, ...] = (400, 400, 400)  # of the deep network
    shared_embedding: bool = False

    default = {"neuron_ratio": 0.5, "width_ratio": 1.0, "afn_depth": 1, "depth": 2}

    @classmethod
    def suggest(cls, trial: Trial, budget: base.Budget) -> Iterator[base.Shape]:
        """Sample neurons per unit of the MLP (as in BARS, Wukong App. A and Table 5), depths and ratio of the MLPs' widths.

        The budget sets the widths. Later shapes have fewer layers, then more, for budgets that the widest layers do not spend.
        """
        neuron_ratio = trial.suggest_categorical("neuron_ratio", [0.125, 0.25, 0.5, 1.0, 2.0])
        width_ratio = trial.suggest_categorical("width_ratio", [0.5, 1.0, 2.0])
        afn_depth = trial.suggest_int("afn_depth", 1, 4)
        depth = trial.suggest_int("depth", 1, 4)

        def shape(further: int) -> base.Shape:
            def build(width: int) -> base.Config:
                return cls(
                    embedding_dim=budget.embedding_dim,
                    neurons=max(FEWEST_NEURONS, round(width * neuron_ratio)),
                    afn_hidden=(width,) * max(1, afn_depth + further),
                    hidden=(max(base.NARROWEST, round(width * width_ratio)),) * max(1, depth + further),
                )

            return base.Shape(build, trim=("hidden", "afn_hidden"))

        yield from (shape(-gone) for gone in range(max(afn_depth, depth)))
        yield from (shape(more) for more in range(1, 16))

    def flops(self, n_dense: int, n_sparse: int) -> int:
        """Count the logarithmic neurons, their MLP, the deep network and the output weights of both."""
        n_tokens, d = self.n_tokens(n_dense, n_sparse), self.embedding_dim
        afn = 2 * n_tokens * self.neurons * d + base.mlp_flops(self.neurons * d, self.afn_hidden, 1)
        deep = base.mlp_flops(n_tokens * d, self.hidden, 1) + 4 if self.hidden else 0
        embeddings = 1 if self.shared_embedding or not self.hidden else 2
        return embeddings * self.embedding_flops(n_dense) + afn + deep


class LogarithmicTransformation(nn.Module):
    """exp(W ln |X|): L products of powers of the T embeddings, element by element."""

    def __init__(self, n_tokens: int, neurons: int):
        super().__init__()
        self.weight_LT = nn.Parameter(nn.init.xavier_normal_(torch.empty(neurons, n_tokens)))
        self.log_norm, self.exp_norm = nn.BatchNorm1d(n_tokens), nn.BatchNorm1d(neurons)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return y_BLD."""
        log_BTD = self.log_norm(x_BTD.abs().clamp(min=EPSILON).log())
        return self.exp_norm((self.weight_LT @ log_BTD).exp())


class AFN(base.CTRModel):
    """The logarithmic network and the deep network, their logits weighted and summed."""

    Config = AFNConfig

    def __init__(self, config: AFNConfig, n_dense: int, cardinalities: Sequence[int]):
        super().__init__(config, n_dense, cardinalities)
        n_afn, n_deep = config.neurons * config.embedding_dim, self.n_tokens * config.embedding_dim
        self.transformation = LogarithmicTransformation(self.n_tokens, config.neurons)
        self.afn = base.mlp(n_afn, config.afn_hidden, 1, dropout=config.dropout, batch_norm=config.batch_norm)
        self.deep = self.deep_embed = None
        if config.hidden:
            self.deep = base.mlp(n_deep, config.hidden, 1, dropout=config.dropout, batch_norm=config.batch_norm)
            self.output = base.mlp(2, (), 1)
            if not config.shared_embedding:
                self.deep_embed = base.FieldEmbedding(n_dense, cardinalities, config)

    def forward(self, dense_BN: Tensor, sparse_BF: Tensor) -> Tensor:
        """Return logit_B."""
        x_BTD = self.embed(dense_BN, sparse_BF)
        logit_B1 = self.afn(self.transformation(x_BTD).flatten(1))
        if self.deep is not None:
            if self.deep_embed is not None:
                x_BTD = self.deep_embed(dense_BN, sparse_BF)
            logit_B1 = self.output(torch.cat([logit_B1, self.deep(x_BTD.flatten(1))], dim=1))
        return logit_B1.squeeze(1)
