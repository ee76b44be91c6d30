"""CTRModel: the LightningModule that every model extends with its maths only."""

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

STEPS_PER_FINITE_CHECK = 50  # one host synchronisation for so many steps


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
        self.optimiser = Optimiser()  # assign others before training
        self.execution = Execution()
        self.rate_of_step: Callable[[int], float] | None = None  # learning rate of step 0, 1, ...; None: constant
        self.steps = 0
        self.n_tokens = config.n_tokens(n_dense, len(cardinalities))
        self.embed = FieldEmbedding(n_dense, cardinalities, config, bottom_relu=self.bottom_relu)
        self.automatic_optimization = False  # a step is ours to order, and many make one of Lightning's
        self.predictions = Predictions()
        self.metrics: dict[str, float] = {}  # of the last validation or test epoch, in float64
        self._losses: list[Tensor] = []  # of the last steps, then of the epoch's steps before them
        self._epoch_losses: list[Tensor] = []

    def embedding_parameters(self) -> list[nn.Parameter]:
        """Embedding tables, the v_i of dense fields that have one each, and first-order weights."""
        return [p for module in self.modules() if isinstance(module, FieldEmbedding) for p in module.embeddings()]

    def dense_parameters(self) -> list[nn.Parameter]:
        """All parameters but the embeddings."""
        embedding = {id(p) for p in self.embedding_parameters()}
        return [p for p in self.parameters() if id(p) not in embedding]

    @property
    def _ddp_params_and_buffers_to_ignore(self) -> list[str]:
        """What DDP need not send to every process at every step: frozen tables, which each has read itself."""
        return [name for name, _ in self.named_buffers(remove_duplicate=False) if FROZEN in name]

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """The optimisers of `update`, which `step` drives."""
        embeds = [module for module in self.modules() if isinstance(module, FieldEmbedding)]
        sparse = self.execution.sparse_optimiser
        for embed in embeds:  # CUDA sums rows in no fixed order; its dense gradient is deterministic
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
        """One optimisation step on the batch, or on each batch of a block of them."""
        for one in batch if isinstance(batch, Iterator) else [batch]:
            self.step(one)

    def step(self, batch: Batch) -> None:
        """One optimisation step on the batch's mean cross-entropy plus regularisation."""
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
        """Forget the losses of the epoch before."""
        self._losses, self._epoch_losses = [], []

    def on_train_epoch_end(self) -> None:
        """Log the epoch's mean training loss."""
        self.log("train_loss", self.train_loss())

    def train_loss(self) -> float:
        """Mean loss of the epoch's steps so far; raises Diverged if one was not finite."""
        self._gather_losses()
        return _mean_over_ranks(torch.cat(self._epoch_losses).double().mean()).item()

    def on_validation_epoch_start(self) -> None:
        """Say that training diverged rather than that its predictions did."""
        self._gather_losses()

    def validation_step(self, batch: Batch | Iterator[Batch], batch_idx: int) -> None:
        """Gather the predictions of the batch, or of each batch of a block of them."""
        for one in batch if isinstance(batch, Iterator) else [batch]:
            rows = self.shard(one)
            self.predictions.update(self.execution.logits(self, rows), *rows[2:])

    def on_validation_epoch_end(self) -> None:
        """Compute and log the metrics of the validation part."""
        self._score("valid")

    def test_step(self, batch: Batch | Iterator[Batch], batch_idx: int) -> None:
        """Gather the predictions, as in validation."""
        self.validation_step(batch, batch_idx)

    def on_test_epoch_end(self) -> None:
        """Compute and log the metrics of the test part."""
        self._score("test")

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Click probabilities of the batch, (B,)."""
        return self.execution.logits(self, batch).sigmoid()

    @staticmethod
    def shard(batch: Batch) -> Batch:
        """This process's rows of a batch: all of them, or under DDP every n-th, so that no row is repeated or left out."""
        if not distributed.is_initialized():
            return batch
        rank, n_ranks = distributed.get_rank(), distributed.get_world_size()
        return tuple(part[rank::n_ranks] for part in batch)

    @staticmethod
    def unshard(x_B: Tensor) -> Tensor:
        """All processes' rows of a batch in its order, on every process; what `shard` divided."""
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
        """A summand of which the mean over DDP's ranks is the batch's mean cross-entropy, however many rows each has."""
        rows = self.shard(batch)
        total = binary_cross_entropy_with_logits(self.execution.logits(self, rows), rows[2], reduction="sum")
        return total * (distributed.get_world_size() / len(batch[2]))

    def _score(self, split: str) -> None:
        self.metrics = self.predictions.compute()
        self.predictions.reset()
        self.log_dict({f"{split}_{name}": value for name, value in self.metrics.items()})

    def _gather_losses(self) -> None:
        """Take the last steps' losses off the graph of Python objects; raises Diverged naming a step that was not finite."""
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
