"""CTRModel: the LightningModule that every model extends with only its maths."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import lightning.pytorch as pl
import torch
from torch import Tensor, distributed, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from models.base import checkpoint as checkpoints
from models.base import config as base
from models.base.execution import Batch, Execution, groups_and_weights
from models.base.layers import FROZEN, Cardinality, FieldEmbedding
from models.base.metrics import Diverged, Predictions
from models.base.optimiser import Optimiser, Update
from models.base.ranks import mean_over_ranks, shard, unshard

STEPS_PER_FINITE_CHECK = 50  # each check is a host synchronisation
PRECISIONS = (
    "32-true",
    "bf16-mixed",
)  # of a Trainer; others scale the loss or convert weights, for which `Update` is not made


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
    shard, unshard = staticmethod(shard), staticmethod(unshard)

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
        self.remember(n_dense, cardinalities)

    def remember(self, n_dense: int, cardinalities: Sequence[Cardinality]) -> None:
        """Put the arguments that build this model into checkpoints; a subclass that passes others on calls it again."""
        arguments = checkpoints.arguments(self.config, n_dense, cardinalities)
        # not by save_hyperparameters, which looks into the frames of all callers and fails where one takes *args
        self.hparams.update({"model": type(self).__name__, **arguments})

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: str | Path, **kwargs: Any) -> Self:  # type: ignore[override]
        """Return the model of a checkpoint, with its weights, its optimiser's settings and its number of steps.

        Needs no arguments but `cardinalities` where the data set has frozen tables. Raises ValueError for a checkpoint of
        another model.

        Args:
            checkpoint_path: file that a Trainer wrote.
            kwargs: Lightning's further arguments, such as `map_location`, and those of the model that replace the stored ones.
        """
        given: dict[str, Any] = {name: kwargs[name] for name in checkpoints.ARGUMENTS if name in kwargs}
        arguments = checkpoints.read(checkpoint_path, cls.__name__, cls.Config, given)
        return super().load_from_checkpoint(checkpoint_path, **{**kwargs, **arguments, "weights_only": True})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the settings and state of the training that Lightning does not know."""
        settings = {name: getattr(self, name).model_dump() for name in ("optimiser", "execution")}
        checkpoint["training"] = {**settings, "steps": self.steps}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over the settings and state of the training, so that it goes on as it began."""
        training = checkpoint["training"]
        self.optimiser = Optimiser.model_validate(training["optimiser"])
        self.execution = Execution.model_validate(training["execution"])
        self.steps = training["steps"]

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

    def setup(self, stage: str) -> None:
        """Raise ValueError if the Trainer's precision is none that the optimisers can take."""
        if self.trainer.precision not in PRECISIONS:
            raise ValueError(f"Trainer(precision={self.trainer.precision!r}): expected {' or '.join(PRECISIONS)}")

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
        """Take one optimisation step on the batch, or on each batch of a block; only the former runs Lightning's hooks.

        The hooks take about 0.1 ms, which steps of a small model would notice.
        """
        if isinstance(batch, Iterator):
            for one in batch:
                self.step(one)
        else:
            self.step(batch, hooks=True)

    def step(self, batch: Batch, *, hooks: bool = False) -> None:
        """Take one optimisation step on the batch's mean cross-entropy plus regularisation.

        Args:
            batch: all rows, also under DDP.
            hooks: whether Lightning runs its hooks and counts the step, as one of its `global_step`.
        """
        if self.rate_of_step is not None:
            self.update.set_learning_rate(self.rate_of_step(self.steps))
        loss = self._loss_of_ranks(batch) if distributed.is_initialized() else self.execution.loss(self, batch)
        if hooks:
            self.manual_backward(loss)
            wrapped = self.optimizers()
            self.update.step(wrapped[0] if isinstance(wrapped, list) else wrapped)  # type: ignore[arg-type]
        else:
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
        return mean_over_ranks(torch.cat(self._epoch_losses).double().mean()).item()

    def on_validation_epoch_start(self) -> None:
        """Raise Diverged for a training loss that is not finite, before its predictions raise it."""
        self._gather_losses()

    def validation_step(self, batch: Batch | Iterator[Batch], batch_idx: int) -> None:
        """Collect the predictions of the batch, or of each batch of a block."""
        for one in batch if isinstance(batch, Iterator) else [batch]:
            rows = self.shard(one)
            self.predictions.update(self.execution.logits(self, rows), rows[2], *groups_and_weights(rows))

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

    def _loss_of_ranks(self, batch: Batch) -> Tensor:
        """Return this rank's loss; its mean over DDP's ranks is the batch's loss, however many rows each has."""
        rows = self.shard(batch)
        _, weight_B = groups_and_weights(rows)
        total = binary_cross_entropy_with_logits(self.execution.logits(self, rows), rows[2], weight_B, reduction="sum")
        return total * (distributed.get_world_size() / len(batch[2]))

    def _score(self, split: str) -> None:
        if self.trainer.sanity_checking:  # a few batches, which may have one class only
            self.predictions.reset()
            return
        self.metrics = self.predictions.compute()
        self.predictions.reset()
        self.log_dict({f"{split}_{name}": value for name, value in self.metrics.items()})

    def _gather_losses(self) -> None:
        """Stack the last steps' losses into one tensor. Raises Diverged, naming the first step whose loss is not finite."""
        if not self._losses:
            return
        block = mean_over_ranks(torch.stack(self._losses))  # so that all ranks stop together
        self._losses = []
        self._epoch_losses.append(block)
        bad = (~block.isfinite()).nonzero()
        if len(bad):
            step = sum(map(len, self._epoch_losses[:-1])) + int(bad[0])
            raise Diverged(
                f"loss is {block[bad[0]].item()} in step {step} of epoch {self.current_epoch}, "
                f"learning rate {self.optimiser.learning_rate:.3g}"
            )
