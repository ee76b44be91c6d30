"""What every model shares: Config, FieldEmbedding, FieldWeights, mlp, and CTRModel with its loss, metrics and optimiser."""

from models.base.config import Budget, Config, Shape
from models.base.layers import FieldEmbedding, FieldWeights, GroupEmbedding, fan_in_, mlp, mlp_flops, tapered
from models.base.metrics import Diverged, Predictions
from models.base.module import Batch, CTRModel, Optimiser

__all__ = [
    "Batch",
    "Budget",
    "CTRModel",
    "Config",
    "Diverged",
    "FieldEmbedding",
    "FieldWeights",
    "GroupEmbedding",
    "Optimiser",
    "Predictions",
    "Shape",
    "fan_in_",
    "mlp",
    "mlp_flops",
    "tapered",
]
