"""One run: train one configuration of a model on one data set with one seed."""

import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import lightning.pytorch as pl
import torch
from torch import Tensor, distributed

from benchmark.protocol.sections import Training
from benchmark.training.pruning import Stop, never
from datamodules.base import Batches, CTRDataModule
from models.base import Batch, Config, CTRModel, Execution, Optimiser

LEAST_IMPROVEMENT = 1e-6  # of the monitored metric, as in BARS
LEAST_RATE = 1e-6  # learning rate at which plateaus stop lowering it, as in BARS

SECONDS_PER_PROGRESS = 0.5
STEPS_PER_BLOCK = 32  # Lightning's overhead per step would be as long as the step of a small model

# Called with the fraction of the run's steps that are done, and with the metrics at the end of an epoch.
OnProgress = Callable[[float, dict[str, float] | None], None]
# Keeps logits and labels of the test part, (N,) each, and returns their hash; None if they were not kept.
OnTest = Callable[[Tensor, Tensor], str | None]


@dataclass(frozen=True)
class Outcome:
    """Result of a finished run; the fields are named as in a record, except `stopped`."""

    dense_parameters: int
    embedding_parameters: int
    epochs: int
    best_epoch: int
    steps: int
    examples: int
    train_seconds: float
    seconds: float
    history: tuple[dict[str, float], ...]
    valid: dict[str, float]
    test: dict[str, float] | None
    predictions: str | None  # hash of the test predictions, if they were kept
    stopped: bool  # by `stop`, before the training would have ended


def train(
    model_class: type[CTRModel],
    config: Config,
    optimiser: Optimiser,
    data: CTRDataModule,
    training: Training,
    *,
    seed: int,
    test: bool,
    on_progress: OnProgress = lambda share, metrics: None,
    on_test: OnTest = lambda logit_N, label_N: None,
    stop: Stop = never,
    share: float = 1.0,
) -> Outcome:
    """Train, restore the weights of the best validation epoch and, only if `test`, score them on the test part.

    Raises Diverged if a loss or prediction is not finite.

    Args:
        model_class: class of the model.
        config: its architecture.
        optimiser: settings of the optimiser.
        data: data set with its batch size and device.
        training: settings that all models share.
        seed: of initialisation, dropout and data order.
        test: whether to score the test part.
        on_progress: called during training.
        on_test: called with the predictions on the test part.
        stop: whether the training ends after an epoch.
        share: of the train part's rows, the first ones, that are trained on.
    """
    started = time.monotonic()
    torch.manual_seed(seed)
    data.seed, data.share = seed, share
    model = model_class(config, data.n_dense, data.cardinalities)
    model.optimiser = optimiser
    model.execution = Execution(**training.model_dump(include=set(Execution.model_fields)))
    batches = data.train_dataloader()
    selection = Selection(training, optimiser.learning_rate, len(batches) * training.epochs, on_progress, stop)
    model.rate_of_step = selection.rate
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\.")  # advice on loggers and data loaders
        predictions = TestPredictions(on_test, data)
        trainer = _trainer(data.device, training.epochs, [selection, predictions])
        trainer.fit(model, _loader(batches), _loader(data.val_dataloader()))
        model.load_state_dict(selection.best_state)
        if test:
            trainer.test(model, dataloaders=_loader(data.test_dataloader()), verbose=False)
    return Outcome(
        dense_parameters=sum(p.numel() for p in model.dense_parameters()),
        embedding_parameters=sum(p.numel() for p in model.embedding_parameters()),
        epochs=len(selection.history),
        best_epoch=selection.best_epoch,
        steps=model.steps,
        examples=len(selection.history) * batches.rows,
        train_seconds=selection.train_seconds,
        seconds=time.monotonic() - started,
        history=tuple(selection.history),
        valid={
            name: value for name, value in selection.history[selection.best_epoch - 1].items() if name != "train_loss"
        },
        test={**model.metrics, **predictions.diagnostics} if test else None,
        predictions=predictions.digest,
        stopped=selection.stopped,
    )


def _trainer(device: str | torch.device, epochs: int, callbacks: list[pl.Callback]) -> pl.Trainer:
    """Return a Trainer without logger, checkpoints and progress bar; they would cost as much per step as a small model."""
    n_ranks = distributed.get_world_size() if distributed.is_initialized() else 1
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    device = torch.device(device)
    return pl.Trainer(
        accelerator=device.type,
        devices=n_ranks if n_ranks > 1 else [device.index or 0] if device.type == "cuda" else 1,
        strategy="ddp_find_unused_parameters_true" if n_ranks > 1 else "auto",
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=callbacks,
    )


class TestPredictions(pl.Callback):
    """Passes the test predictions to `on_test` and to the data set before the model turns them into metrics."""

    def __init__(self, on_test: OnTest, data: CTRDataModule):
        self.on_test, self.data = on_test, data
        self.digest: str | None = None
        self.diagnostics: dict[str, float] = {}

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Collect the predictions; the module's own hook, which runs later, discards them."""
        assert isinstance(pl_module, CTRModel)  # noqa: S101 (tells mypy)
        logit_N, label_N = (
            torch.cat([CTRModel.unshard(x_B) for x_B in batches])
            for batches in (pl_module.predictions.logit_B, pl_module.predictions.label_B)
        )
        # the noise of test rows, which predictions are kept for, is not defined for weighted metrics
        self.digest = None if len(pl_module.predictions.weight_B) else self.on_test(logit_N, label_N)
        self.diagnostics = self.data.diagnose(logit_N.cpu().numpy())


def _loader(batches: Batches) -> "Batches | Blocks":
    """Return blocks of batches; single batches under DDP, which reduces gradients once per Lightning step."""
    return batches if distributed.is_initialized() else Blocks(batches)


class Blocks:
    """Batches in blocks of STEPS_PER_BLOCK, each an iterator, so that Lightning's overhead is paid once per block."""

    def __init__(self, batches: Batches):
        self.batches = batches

    def __len__(self) -> int:
        return math.ceil(len(self.batches) / STEPS_PER_BLOCK)

    def __iter__(self) -> Iterator[Iterator[Batch]]:
        batches = iter(self.batches)
        for _ in range(len(self)):
            yield islice(batches, STEPS_PER_BLOCK)


class Selection(pl.Callback):
    """Keeps the weights of the best epoch, sets the learning rate, ends the training early and reports progress.

    Schedules: constant; linear decay from the full rate in the first step to 0 after the last of the maximum number of
    steps; plateau, which divides the rate by 10 after each epoch without improvement, down to LEAST_RATE (BARS). Warm-up
    multiplies any of them by a factor that rises linearly to 1.

    Args:
        training: settings that all models share.
        learning_rate: full learning rate.
        steps: maximum number of steps.
        on_progress: called during training.
        stop: asked after each epoch, also where patience or the last epoch ends the training anyway.
    """

    def __init__(self, training: Training, learning_rate: float, steps: int, on_progress: OnProgress, stop: Stop):
        self.training, self.learning_rate, self.steps, self.on_progress = training, learning_rate, steps, on_progress
        self.stop, self.stopped = stop, False
        self.warmup_steps = round(training.warmup * steps)
        self.history: list[dict[str, float]] = []
        self.best_epoch = 0
        self.best_state: dict[str, Tensor] = {}
        self.train_seconds = 0.0
        self._epoch_started = self._reported = time.monotonic()

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        rate = self.learning_rate
        if self.training.schedule == "linear":
            rate *= 1 - step / self.steps
        if step < self.warmup_steps:
            rate *= (step + 1) / (self.warmup_steps + 1)
        return rate

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the epoch's clock."""
        self._epoch_started = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Report progress at intervals of SECONDS_PER_PROGRESS."""
        if time.monotonic() - self._reported > SECONDS_PER_PROGRESS:
            self._reported = time.monotonic()
            assert isinstance(pl_module, CTRModel)  # noqa: S101 (tells mypy)
            self.on_progress(pl_module.steps / self.steps, None)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the epoch's clock."""
        self.train_seconds += time.monotonic() - self._epoch_started

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare the epoch with the best one by the monitored metric."""
        assert isinstance(pl_module, CTRModel)  # noqa: S101 (tells mypy)
        self.history.append({"train_loss": pl_module.train_loss(), **pl_module.metrics})
        epoch = len(self.history)
        if epoch == 1 or self._score(epoch) > self._score(self.best_epoch) + LEAST_IMPROVEMENT:
            self.best_epoch = epoch
            self.best_state = {name: value.detach().clone() for name, value in pl_module.state_dict().items()}
        else:
            if self.training.schedule == "plateau":
                self.learning_rate = max(0.1 * self.learning_rate, LEAST_RATE)
            trainer.should_stop = epoch - self.best_epoch >= self.training.patience
        if self.stop([metrics[self.training.monitor] for metrics in self.history]):
            self.stopped = epoch < self.training.epochs and not trainer.should_stop
            trainer.should_stop = True
        self.on_progress(epoch / self.training.epochs, pl_module.metrics)

    def _score(self, epoch: int) -> float:
        """Return the monitored metric of an epoch, negated if smaller is better."""
        value = self.history[epoch - 1][self.training.monitor]
        return value if self.training.monitor == "auc" else -value
