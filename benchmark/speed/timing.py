"""Throughput of a folder's winners: whole training steps with their loader, and inference, in interleaved rounds.

A round builds each model anew, as a training does, warms it up and times it. Every other round runs in reverse, so that a
machine whose speed drifts treats all models alike. One model is in memory at a time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import torch
from torch import Tensor

import models
from benchmark.protocol import Protocol
from benchmark.protocol.sections import Training
from benchmark.records.provenance import device_name, provenance
from benchmark.records.record import Record
from benchmark.records.throughput import Speed, Throughput
from benchmark.speed.quiet import Load, Moment
from benchmark.training.loop import Selection
from benchmark.training.pruning import never
from datamodules.base import Batches, CTRDataModule
from models.base import Batch, Config, CTRModel, Execution, Optimiser

INFERENCE_ROWS = (1, 512, 4096)
WARM_UP = 10  # steps, and predictions of each size, that come before the timed ones
PREDICTIONS = 20  # timed in each round, of each size


@dataclass(frozen=True)
class Sample:
    """One round of one model."""

    examples_per_second: float
    milliseconds: dict[int, float]  # of predicting a batch, by its rows


@dataclass(frozen=True)
class Contest:
    """The winners of a data set, each as the first final run of its first finished block, and what they are timed on."""

    dataset: str
    runs: tuple[Record, ...]
    protocol: Protocol
    data: CTRDataModule
    device: str

    def estimate(self, rounds: int, steps: int) -> float:
        """Return how many seconds the measurement takes, by a short round, which also reads the data into memory.

        Args:
            rounds: number of rounds.
            steps: of each round.
        """
        seconds = 0.0
        for run in self.runs:
            started = perf_counter()
            sample = self._round(run, 3, warm_up=2, predictions=2)
            seconds += perf_counter() - started
            seconds += (WARM_UP + steps) * self.data.batch_size / sample.examples_per_second
            seconds += (WARM_UP + PREDICTIONS) * sum(sample.milliseconds.values()) / 1e3
        return rounds * seconds

    def measured(
        self, rounds: int, steps: int, on_sample: Callable[[int], None] = lambda done: None
    ) -> tuple[Throughput, Load]:
        """Return the measurement, and what ran beside it.

        Args:
            rounds: number of rounds.
            steps: of each round.
            on_sample: called after each round of each model, with their number so far.
        """
        samples: dict[int, list[Sample]] = {place: [] for place in range(len(self.runs))}
        before = Moment.now()
        for i in range(rounds):
            for place in list(samples)[:: -1 if i % 2 else 1]:
                samples[place].append(self._round(self.runs[place], steps))
                on_sample(sum(map(len, samples.values())))
        load = Load.between(before, Moment.now())
        throughput = Throughput(
            dataset=self.dataset,
            device=device_name(self.device),
            threads=torch.get_num_threads(),
            batch_size=self.data.batch_size,
            rounds=rounds,
            steps=steps,
            cpu_share=load.share,
            other_cores=load.other_cores,
            quiet=load.quiet,
            speeds=tuple(speed(run, samples[place]) for place, run in enumerate(self.runs)),
            **provenance(),
        )
        return throughput, load

    def _round(self, run: Record, steps: int, warm_up: int = WARM_UP, predictions: int = PREDICTIONS) -> Sample:
        model, batches = self._ready(run, warm_up + steps)
        self._train(model, batches, warm_up)
        started = self._now()
        examples = self._train(model, batches, steps)
        rate = examples / (self._now() - started)
        model.eval()
        test = self.data.test_dataloader()
        return Sample(rate, {rows: self._predict(model, test, rows, warm_up, predictions) for rows in INFERENCE_ROWS})

    def _ready(self, run: Record, steps: int) -> tuple[CTRModel, Iterator[Batch]]:
        """Return the run's model before its first step, and its batches, epoch after epoch."""
        model_class, training = models.load(run.model), self.protocol.training
        config, optimiser = model_class.Config.model_validate(run.config), Optimiser.model_validate(run.optimiser)
        model = _model(model_class, config, optimiser, self.data, training, run.seed).to(self.device)
        model.configure_optimizers()
        batches = self.data.train_dataloader()
        steps = max(steps, len(batches) * training.epochs)
        model.rate_of_step = Selection(training, optimiser.learning_rate, steps, lambda *_: None, never).rate
        return model, endless(batches)

    def _train(self, model: CTRModel, batches: Iterator[Batch], steps: int) -> int:
        """Take some steps and return the number of their examples."""
        examples = 0
        for _ in range(steps):
            batch = tuple(part.to(self.device) for part in next(batches))
            model.step(batch)
            examples += len(batch[2])
        return examples

    def _predict(self, model: CTRModel, test: Batches, rows: int, warm_up: int, predictions: int) -> float:
        """Return the median milliseconds of predicting that many rows, other ones each time."""
        milliseconds = []
        with torch.inference_mode():
            for i in range(warm_up + predictions):
                row_B = (torch.arange(rows) + i * rows) % test.rows
                batch = tuple(rows_of(array, row_B).to(self.device) for array in test.arrays)
                started = self._now()
                model.execution.logits(model, batch)
                milliseconds.append(1e3 * (self._now() - started))
        return median(milliseconds[warm_up:])

    def _now(self) -> float:
        """Return the time in seconds, after a GPU has finished."""
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()
        return perf_counter()


def endless(batches: Batches) -> Iterator[Batch]:
    """Yield batches, epoch after epoch, the last of an epoch with what is left of it, as in training."""
    while True:
        yield from batches


def rows_of(array: Tensor, row_B: Tensor) -> Tensor:
    """Return rows of an array of a data set."""
    return array.index_select(0, row_B.to(array.device))


def speed(run: Record, samples: list[Sample]) -> Speed:
    """Return the medians over rounds."""
    rates = [sample.examples_per_second for sample in samples]
    return Speed(
        model=run.model,
        budget=run.budget,
        block=run.block,
        trial=run.trial,
        examples_per_second=median(rates),
        lowest=min(rates),
        highest=max(rates),
        milliseconds={rows: median(sample.milliseconds[rows] for sample in samples) for rows in INFERENCE_ROWS},
    )


def _model(
    model_class: type[CTRModel],
    config: Config,
    optimiser: Optimiser,
    data: CTRDataModule,
    training: Training,
    seed: int,
) -> CTRModel:
    """Return the model before its first step, as training.loop.train makes it.

    Args:
        model_class: class of the model.
        config: its architecture.
        optimiser: settings of the optimiser.
        data: data set that it is trained on.
        training: settings that all models share.
        seed: of initialisation, dropout and data order.
    """
    torch.manual_seed(seed)
    data.seed = seed
    model = model_class(config, data.n_dense, data.cardinalities)
    model.optimiser = optimiser
    model.execution = Execution(**training.model_dump(include=set(Execution.model_fields)))
    return model
