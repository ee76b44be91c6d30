"""MLP: the baseline, a multi-layer perceptron on the concatenated embeddings (Cheng et al. 2016, arXiv 1606.07792, deep part).

    logit = MLP(flatten(X))

BARS's best "DLRM" on Frappe and MovieLens is this model.

B batch, N dense fields, F sparse fields, T tokens, D embedding dimension.
"""

from collections.abc import Iterator, Sequence

from optuna import Trial
from pydantic import PositiveInt
from torch import Tensor

from models import base


class MLPConfig(base.Config):
    """The hidden layers."""

    hidden: tuple[PositiveInt, ...] = (400, 400, 400)  # DNN of BARS on the x1 sets

    default = {"depth": 2, "taper": 1.0}

    @classmethod
    def suggest(cls, trial: Trial, budget: base.Budget) -> Iterator[base.Shape]:
        """Sample depth (1 to 4 layers, as in Wukong App. A on Criteo) and taper; the budget sets the first width.

        Later shapes have fewer layers, then more, for budgets that the widest layers do not spend.
        """
        depth = trial.suggest_int("depth", 1, 4)
        taper = trial.suggest_categorical("taper", [0.5, 0.75, 1.0])

        def shape(n_layers: int) -> base.Shape:
            def build(width: int) -> base.Config:
                return cls(embedding_dim=budget.embedding_dim, hidden=base.tapered(width, n_layers, taper))

            return base.Shape(build, trim=("hidden",))

        yield from (shape(n_layers) for n_layers in base.depths(depth))

    def flops(self, n_dense: int, n_sparse: int) -> int:
        """Count the bottom MLP and the MLP."""
        n_in = self.n_tokens(n_dense, n_sparse) * self.embedding_dim
        return self.embedding_flops(n_dense) + base.mlp_flops(n_in, self.hidden, 1)


class MLP(base.CTRModel):
    """MLP over the flattened tokens."""

    Config = MLPConfig

    def __init__(self, config: MLPConfig, n_dense: int, cardinalities: Sequence[int]):
        super().__init__(config, n_dense, cardinalities)
        n_in = self.n_tokens * config.embedding_dim
        self.mlp = base.mlp(n_in, config.hidden, 1, dropout=config.dropout, batch_norm=config.batch_norm)

    def forward(self, dense_BN: Tensor, sparse_BF: Tensor) -> Tensor:
        """Return logit_B."""
        return self.mlp(self.embed(dense_BN, sparse_BF).flatten(1)).squeeze(1)
