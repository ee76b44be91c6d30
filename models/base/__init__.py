"""What all models share: Config, FieldEmbedding, FieldWeights, mlp, and CTRModel with its loss, metrics and optimiser."""

from models.base.config import NARROWEST, Budget, Config, Shape
from models.base.execution import Batch, Execution
from models.base.layers import FieldEmbedding, FieldWeights, affordable, depths, fan_in_, mlp, mlp_flops, tapered
from models.base.linear import Linear, combinations
from models.base.metrics import Diverged, Predictions
from models.base.module import CTRModel
from models.base.optimiser import Optimiser, SparseOptimiser
from models.base.tokens import GroupEmbedding, TokenConfig, TokenModel

__all__ = [
    "NARROWEST",
    "Batch",
    "Budget",
    "CTRModel",
    "Config",
    "Diverged",
    "Execution",
    "FieldEmbedding",
    "FieldWeights",
    "GroupEmbedding",
    "Linear",
    "Optimiser",
    "Predictions",
    "Shape",
    "SparseOptimiser",
    "TokenConfig",
    "TokenModel",
    "affordable",
    "combinations",
    "depths",
    "fan_in_",
    "mlp",
    "mlp_flops",
    "tapered",
]
