"""CTRModel: the LightningModule that every model extends with its maths only."""

from collections.abc import Sequence
from typing import ClassVar

import lightning.pytorch as pl
import torch
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveFloat
from torch import Tensor, distributed, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from models.base import config as base
from models.base.layers import Cardinality, FieldEmbedding
from models.base.metrics import Diverged, Predictions

Batch = tuple[
    Tensor, ...
]  # dense_BN float32, sparse_BF int32 or int64, label_B float32; then group_B where there are groups

STEPS_PER_FINITE_CHECK = 50  # one host synchronisation for so many steps


class Optimiser(BaseModel):
    """Adam and its regularisation, the same kind for every model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rate: PositiveFloat = 1e-3
    embedding_l2: NonNegativeFloat = 0.0  # lambda of lambda/2 * ||E||^2, every row of every table at every step (BARS)
    weight_decay: NonNegativeFloat = 0.0  # the same lambda for all other parameters
    clip_norm: NonNegativeFloat = 10.0  # of the gradient of all parameters together; 0: not clipped


class CTRModel(pl.LightningModule):
    """Logits for (dense, sparse) batches, trained by binary cross-entropy.

    A model subclasses this, sets `Config`, builds its layers on `self.embed` and defines
    `forward(dense_BN, sparse_BF) -> logit_B`. It knows no data set, device or budget.
    """

    Config: ClassVar[type[base.Config]]
    bottom_relu: ClassVar[bool] = False  # does the bottom MLP end in an activation?

    def __init__(self, config: base.Config, n_dense: int, cardinalities: Sequence[Cardinality]):
        super().__init__()
        self.config = config
        self.optimiser = Optimiser()  # assign another before training
        self.n_tokens = config.n_tokens(n_dense, len(cardinalities))
        self.embed = FieldEmbedding(n_dense, cardinalities, config, bottom_relu=self.bottom_relu)
        self.automatic_optimization = False  # one step is ours to order: loss, L2, clip, Adam
        self.predictions = Predictions()
        self.metrics: dict[str, float] = {}  # of the last validation or test epoch, in float64
        self._losses: list[Tensor] = []

    def embedding_parameters(self) -> list[nn.Parameter]:
        """Embedding tables, the v_i of dense fields that have one each, and first-order weights."""
        return [p for module in self.modules() if isinstance(module, FieldEmbedding) for p in module.embeddings()]

    def dense_parameters(self) -> list[nn.Parameter]:
        """All parameters but the embeddings."""
        embedding = {id(p) for p in self.embedding_parameters()}
        return [p for p in self.parameters() if id(p) not in embedding]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam over all parameters; embeddings get their L2 in `training_step`, so that clipping sees it, as in BARS."""
        groups = [
            {"params": self.embedding_parameters(), "weight_decay": 0.0},
            {"params": self.dense_parameters(), "weight_decay": self.optimiser.weight_decay},
        ]
        groups = [group for group in groups if group["params"]]
        return torch.optim.Adam(groups, lr=self.optimiser.learning_rate, fused=True)

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """One Adam step on the batch's mean cross-entropy plus regularisation."""
        dense_BN, sparse_BF, label_B, *_ = self.shard(batch)
        adam = self.optimizers()
        assert not isinstance(adam, list)  # noqa: S101 (tells mypy)
        adam.zero_grad()
        loss = self._loss(self(dense_BN, sparse_BF), label_B, n_rows=len(batch[-1]))
        self.manual_backward(loss)
        if self.optimiser.embedding_l2:
            for p in self.embedding_parameters():
                if p.grad is not None:
                    p.grad.add_(p.detach(), alpha=self.optimiser.embedding_l2)
        if self.optimiser.clip_norm:
            nn.utils.clip_grad_norm_(self.parameters(), self.optimiser.clip_norm)
        adam.step()
        self._losses.append(loss.detach())
        if len(self._losses) % STEPS_PER_FINITE_CHECK == 0:
            self._check_finite()

    def on_train_epoch_start(self) -> None:
        """Forget the losses of the epoch before."""
        self._losses.clear()

    def on_train_epoch_end(self) -> None:
        """Log the epoch's mean training loss."""
        self.log("train_loss", self.train_loss())

    def train_loss(self) -> float:
        """Mean loss of the epoch's steps so far; raises Diverged if one was not finite."""
        self._check_finite()
        return _mean_over_ranks(torch.stack(self._losses).double().mean()).item()

    def on_validation_epoch_start(self) -> None:
        """Say that training diverged rather than that its predictions did."""
        if self._losses:
            self._check_finite()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Gather the batch's predictions."""
        dense_BN, sparse_BF, label_B, *group_B = self.shard(batch)
        self.predictions.update(self(dense_BN, sparse_BF), label_B, *group_B)

    def on_validation_epoch_end(self) -> None:
        """Compute and log the metrics of the validation part."""
        self._score("valid")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Gather the batch's predictions."""
        self.validation_step(batch, batch_idx)

    def on_test_epoch_end(self) -> None:
        """Compute and log the metrics of the test part."""
        self._score("test")

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Click probabilities of the batch, (B,)."""
        dense_BN, sparse_BF, *_ = batch
        return self(dense_BN, sparse_BF).sigmoid()

    @staticmethod
    def shard(batch: Batch) -> Batch:
        """This process's rows of a batch: all of them, or under DDP every n-th, so that no row is repeated or left out."""
        if not distributed.is_initialized():
            return batch
        rank, n_ranks = distributed.get_rank(), distributed.get_world_size()
        return tuple(part[rank::n_ranks] for part in batch)

    @staticmethod
    def _loss(logit_B: Tensor, label_B: Tensor, n_rows: int) -> Tensor:
        """Mean cross-entropy of the batch; under DDP a summand of which the mean over ranks is that, whatever their rows."""
        if not distributed.is_initialized():
            return binary_cross_entropy_with_logits(logit_B, label_B)
        total = binary_cross_entropy_with_logits(logit_B, label_B, reduction="sum")
        return total * (distributed.get_world_size() / n_rows)

    def _score(self, split: str) -> None:
        self.metrics = self.predictions.compute()
        self.predictions.reset()
        self.log_dict({f"{split}_{name}": value for name, value in self.metrics.items()})

    def _check_finite(self) -> None:
        """Raise Diverged, naming the step, if a loss of this epoch's last block was not finite."""
        first = (len(self._losses) - 1) // STEPS_PER_FINITE_CHECK * STEPS_PER_FINITE_CHECK
        block = _mean_over_ranks(torch.stack(self._losses[first:]))  # so that all ranks stop together
        bad = (~block.isfinite()).nonzero()
        if len(bad):
            step = first + int(bad[0])
            raise Diverged(
                f"loss is {block[bad[0]].item()} in step {step} of epoch {self.current_epoch}, "
                f"learning rate {self.optimiser.learning_rate:.3g}"
            )


def _mean_over_ranks(x: Tensor) -> Tensor:
    if distributed.is_initialized():
        distributed.all_reduce(x)
        x /= distributed.get_world_size()
    return x
