"""DeepFM: a factorization machine and a deep network on the same embeddings (Guo et al. 2017, arXiv 1703.04247).

    y_FM  = <w, x> + sum_{i<j} <V_i, V_j> x_i x_j            eq. 2
    y_DNN = W MLP([V_1 x_1; ...; V_m x_m]) + b               eq. 3 and 4
    logit = y_FM + y_DNN                                     eq. 1

Departures: none. The pairs are summed as 1/2 sum_d ((sum_i V_id x_i)^2 - sum_i (V_id x_i)^2) (Rendle 2010, Lemma 3.1), which
is element-wise and costs 0 FLOPs, so the deep network gets the whole budget.

B batch, N dense fields, F sparse fields, T tokens (m), D embedding dimension.
"""

from collections.abc import Iterator, Sequence

from optuna import Trial
from pydantic import PositiveInt
from torch import Tensor, nn

from models import base


class DeepFMConfig(base.Config):
    """The hidden layers of the deep component."""

    hidden: tuple[PositiveInt, ...] = (400, 400, 400)  # section 3.1

    default = {"depth": 2, "taper": 1.0}

    @classmethod
    def suggest(cls, trial: Trial, budget: base.Budget) -> Iterator[base.Shape]:
        """Sample depth and taper of the deep component, which section 3.3 varies; the budget sets the first width.

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
        """Count the bottom MLP and the deep component; the FM component is element-wise."""
        n_in = self.n_tokens(n_dense, n_sparse) * self.embedding_dim
        return self.embedding_flops(n_dense) + base.mlp_flops(n_in, self.hidden, 1)


class FMComponent(nn.Module):
    """<w, x> + sum_{i<j} <V_i, V_j> x_i x_j."""

    def __init__(self, n_dense: int, cardinalities: Sequence[int], std: float):
        super().__init__()
        self.linear = base.FieldWeights(n_dense, cardinalities, std)

    def forward(self, dense_BN: Tensor, sparse_BF: Tensor, x_BTD: Tensor) -> Tensor:
        """Return y_B1.

        Args:
            dense_BN: dense fields, for the first-order part.
            sparse_BF: sparse fields, for the first-order part.
            x_BTD: tokens, for the pairs.
        """
        pairs_BD = (x_BTD.sum(1).square() - x_BTD.square().sum(1)) / 2
        return self.linear(dense_BN, sparse_BF) + pairs_BD.sum(1, keepdim=True)


class DeepFM(base.CTRModel):
    """FM component plus deep component."""

    Config = DeepFMConfig

    def __init__(self, config: DeepFMConfig, n_dense: int, cardinalities: Sequence[int]):
        super().__init__(config, n_dense, cardinalities)
        n_in = self.n_tokens * config.embedding_dim
        self.fm = FMComponent(n_dense, cardinalities, config.embedding_std)
        self.deep = base.mlp(n_in, config.hidden, 1, dropout=config.dropout, batch_norm=config.batch_norm)

    def forward(self, dense_BN: Tensor, sparse_BF: Tensor) -> Tensor:
        """Return logit_B."""
        x_BTD = self.embed(dense_BN, sparse_BF)
        return (self.fm(dense_BN, sparse_BF, x_BTD) + self.deep(x_BTD.flatten(1))).squeeze(1)
