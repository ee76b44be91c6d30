"""CTRModel: the LightningModule that every model extends with only its maths."""

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

import lightning.pytorch as pl
import torch
from torch import Tensor, distributed, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from models.base import config as base
from models.base.execution import Batch, Execution
from models.base.layers import FROZEN, Cardinality, FieldEmbedding
from models.base.metrics import Diverged, Predictions
from models.base.optimiser import Optimiser, Update

STEPS_PER_FINITE_CHECK = 50  # each check is a host synchronisation


class CTRModel(pl.LightningModule):
    """Logits for (dense, sparse) batches, trained by binary cross-entropy.

    A model subclasses this, sets `Config`, builds its layers on `self.embed` and defines
    `forward(dense_BN, sparse_BF) -> logit_B`. It knows no data set, device or budget.

    Args:
        config: the architecture.
        n_dense: number of dense fields N.
        cardinalities: one entry per sparse field; see `FieldEmbedding`.
    """

    Config: ClassVar[type[base.Config]]
    bottom_relu: ClassVar[bool] = False  # whether the bottom MLP ends in an activation

    def __init__(self, config: base.Config, n_dense: int, cardinalities: Sequence[Cardinality]):
        super().__init__()
        self.config = config
        self.optimiser = Optimiser()  # assign others before training
        self.execution = Execution()
        self.rate_of_step: Callable[[int], float] | None = None  # learning rate of step 0, 1, ...; None: constant
        self.steps = 0
        self.n_tokens = config.n_tokens(n_dense, len(cardinalities))
        self.embed = FieldEmbedding(n_dense, cardinalities, config, bottom_relu=self.bottom_relu)
        self.automatic_optimization = False  # `step` runs the optimisers; one Lightning step may be many of ours
        self.predictions = Predictions()
        self.metrics: dict[str, float] = {}  # of the last validation or test epoch, in float64
        self._losses: list[Tensor] = []  # of the last steps; the epoch's earlier ones are in `_epoch_losses`
        self._epoch_losses: list[Tensor] = []

    def embedding_parameters(self) -> list[nn.Parameter]:
        """Return the embedding tables, the v_i of dense fields without a bottom MLP, and the first-order weights."""
        return [p for module in self.modules() if isinstance(module, FieldEmbedding) for p in module.embeddings()]

    def dense_parameters(self) -> list[nn.Parameter]:
        """Return all parameters but the embeddings."""
        embedding = {id(p) for p in self.embedding_parameters()}
        return [p for p in self.parameters() if id(p) not in embedding]

    @property
    def _ddp_params_and_buffers_to_ignore(self) -> list[str]:
        """Return the frozen tables, which every process has loaded itself, so that DDP does not broadcast them."""
        return [name for name, _ in self.named_buffers(remove_duplicate=False) if FROZEN in name]

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Return the optimisers of `update`; `step` drives them."""
        embeds = [module for module in self.modules() if isinstance(module, FieldEmbedding)]
        sparse = self.execution.sparse_optimiser
        for embed in embeds:  # CUDA sums rows in no fixed order, but its dense gradient is deterministic
            embed.row_gradients = sparse != "adam" or not (
                self.execution.compile or embed.table.weight.is_cuda or distributed.is_initialized()
            )
        self.update = Update(
            [embed.table for embed in embeds if embed.n_sparse],
            self.embedding_parameters(),
            self.dense_parameters(),
            self.optimiser,
            sparse,
        )
        return self.update.optimisers

    def training_step(self, batch: Batch | Iterator[Batch], batch_idx: int) -> None:
        """Take one optimisation step on the batch, or on each batch of a block."""
        for one in batch if isinstance(batch, Iterator) else [batch]:
            self.step(one)

    def step(self, batch: Batch) -> None:
        """Take one optimisation step on the batch's mean cross-entropy plus regularisation."""
        if self.rate_of_step is not None:
            self.update.set_learning_rate(self.rate_of_step(self.steps))
        if distributed.is_initialized():
            loss = self._loss_of_ranks(batch)
            self.manual_backward(loss)
        else:
            loss = self.execution.loss(self, batch)
            loss.backward()
        self.update.step()
        self.steps += 1
        self._losses.append(loss.detach())
        if len(self._losses) == STEPS_PER_FINITE_CHECK:
            self._gather_losses()

    def on_train_epoch_start(self) -> None:
        """Discard the losses of the previous epoch."""
        self._losses, self._epoch_losses = [], []

    def on_train_epoch_end(self) -> None:
        """Log the epoch's mean training loss."""
        self.log("train_loss", self.train_loss())

    def train_loss(self) -> float:
        """Return the mean loss of the epoch's steps so far. Raises Diverged if one is not finite."""
        self._gather_losses()
        return _mean_over_ranks(torch.cat(self._epoch_losses).double().mean()).item()

    def on_validation_epoch_start(self) -> None:
        """Raise Diverged for a training loss that is not finite, before its predictions raise it."""
        self._gather_losses()

    def validation_step(self, batch: Batch | Iterator[Batch], batch_idx: int) -> None:
        """Collect the predictions of the batch, or of each batch of a block."""
        for one in batch if isinstance(batch, Iterator) else [batch]:
            rows = self.shard(one)
            self.predictions.update(self.execution.logits(self, rows), *rows[2:])

    def on_validation_epoch_end(self) -> None:
        """Compute and log the metrics of the validation part."""
        self._score("valid")

    def test_step(self, batch: Batch | Iterator[Batch], batch_idx: int) -> None:
        """Collect the predictions, as in validation."""
        self.validation_step(batch, batch_idx)

    def on_test_epoch_end(self) -> None:
        """Compute and log the metrics of the test part."""
        self._score("test")

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the click probabilities of the batch, (B,)."""
        return self.execution.logits(self, batch).sigmoid()

    @staticmethod
    def shard(batch: Batch) -> Batch:
        """Return this process's rows of a batch: all of them, or every n-th under DDP, so that each row is used once."""
        if not distributed.is_initialized():
            return batch
        rank, n_ranks = distributed.get_rank(), distributed.get_world_size()
        return tuple(part[rank::n_ranks] for part in batch)

    @staticmethod
    def unshard(x_B: Tensor) -> Tensor:
        """Undo `shard`: return all processes' rows of a batch in the batch's order, on every process."""
        if not distributed.is_initialized():
            return x_B
        n_ranks = distributed.get_world_size()
        shares: list[Tensor] = [x_B] * n_ranks
        distributed.all_gather_object(shares, x_B.cpu())
        whole_B = torch.empty(sum(map(len, shares)), dtype=x_B.dtype)
        for rank, share in enumerate(shares):
            whole_B[rank::n_ranks] = share
        return whole_B

    def _loss_of_ranks(self, batch: Batch) -> Tensor:
        """Return this rank's loss; its mean over DDP's ranks is the batch's mean cross-entropy, however many rows each has."""
        rows = self.shard(batch)
        total = binary_cross_entropy_with_logits(self.execution.logits(self, rows), rows[2], reduction="sum")
        return total * (distributed.get_world_size() / len(batch[2]))

    def _score(self, split: str) -> None:
        self.metrics = self.predictions.compute()
        self.predictions.reset()
        self.log_dict({f"{split}_{name}": value for name, value in self.metrics.items()})

    def _gather_losses(self) -> None:
        """Stack the last steps' losses into one tensor. Raises Diverged, naming the first step whose loss is not finite."""
        if not self._losses:
            return
        block = _mean_over_ranks(torch.stack(self._losses))  # so that all ranks stop together
        self._losses = []
        self._epoch_losses.append(block)
        bad = (~block.isfinite()).nonzero()
        if len(bad):
            step = sum(map(len, self._epoch_losses[:-1])) + int(bad[0])
            raise Diverged(
                f"loss is {block[bad[0]].item()} in step {step} of epoch {self.current_epoch}, "
                f"learning rate {self.optimiser.learning_rate:.3g}"
            )


def _mean_over_ranks(x: Tensor) -> Tensor:
    if distributed.is_initialized():
        distributed.all_reduce(x)
        x /= distributed.get_world_size()
    return x
