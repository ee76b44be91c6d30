"""Whole steps and whole trials compared with FuxiCTR's: each side in its own process, taking turns on the same rows.

A process has one allocator. Ours keeps freed memory, as in every run; users of FuxiCTR have the system's default. FuxiCTR is
measured with both, which shows how much the setting alone contributes.
"""

import logging
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch

import models
from benchmark.reports.formats import pipe_table
from benchmark.speed.inputs import N_DENSE, N_SPARSE, endless, prepared, write_clicks
from benchmark.speed.parts import SIZES, Clock, Section, rounds, spread
from benchmark.speed.peer import STEPS_COMPARED, configured, copy_weights, difference, forever, loader, peer
from benchmark.speed.trial import Given, whole
from benchmark.training.memory import keep_freed_memory
from datamodules.base import Batches
from models.base import Config, CTRModel, Execution, Optimiser, SparseOptimiser

SMALL = (0.1, 4096)  # forward MFLOP and batch size where the embeddings and what surrounds the arithmetic weigh most
STEP_SETTINGS = (("mlp", *SMALL), *(("mlp", *size) for size in SIZES), ("dcnv2", 0.85, 4096), ("dcnv2", *SIZES[1]))
TRIAL_SETTINGS = (("mlp", *SMALL), ("mlp", *SIZES[0]))
STEPS_PER_ROUND = 4
TRIAL_STEPS = 128
EMBEDDING_L2 = 1e-5  # of nearly all of BARS's configurations on Criteo_x1
# Of predictions before and after three steps. Where a weight's gradient is all rounding, Adam may move it by its rate, 1e-3,
# one way here and the other there; a sigmoid's slope is at most 1/4, and 0.1 is a common activation. Measured: up to 2.5e-6
# without vector instructions, 6e-8 with AVX2, and 1.1e-3 where one side lacks its L2.
TOLERANCE = STEPS_COMPARED * 2 * 1e-3 / 4 * 0.1


@dataclass(frozen=True)
class Side:
    """Which of the two trains, and how."""

    fuxictr: bool = False
    keeps_memory: bool = True
    embedding_l2: float = 0.0
    sparse_optimiser: SparseOptimiser = "adam"

    @property
    def optimiser(self) -> Optimiser:
        """Our optimiser's settings."""
        return Optimiser(embedding_l2=self.embedding_l2)


OURS, OURS_L2, ROWWISE = Side(), Side(embedding_l2=EMBEDDING_L2), Side(sparse_optimiser="rowwise_adagrad")
THEIRS = Side(fuxictr=True, keeps_memory=False)
THEIRS_L2 = Side(fuxictr=True, keeps_memory=False, embedding_l2=EMBEDDING_L2)
THEIRS_KEEPING = Side(fuxictr=True)
RATIOS = {  # FuxiCTR's time over ours, by column heading
    "as each comes": (THEIRS, OURS),
    "with embedding L2": (THEIRS_L2, OURS_L2),
    "same allocator": (THEIRS_KEEPING, OURS),
    "row-wise Adagrad": (THEIRS, ROWWISE),
}
DENSE_ADAM = tuple(how for how, (_, ours) in RATIOS.items() if ours.sparse_optimiser == "adam")


@dataclass(frozen=True)
class Setting:
    """A model at a size, and the rows that both sides train it on."""

    name: str
    mflop: float
    batch_size: int
    cardinalities: tuple[int, ...]
    folder: Path

    def batches(self) -> Batches:
        """Return our batches of the rows."""
        return Batches(self.folder, self.batch_size, seed=0)

    def their_batches(self) -> Any:
        """Return FuxiCTR's loader of the same rows."""
        folder = self.folder / str(os.getpid())
        folder.mkdir()
        return loader(self.batches(), self.cardinalities, folder)

    @cached_property  # solved before anything is timed
    def config(self) -> Config:
        """Configuration of both sides' models."""
        return configured(self.name, self.mflop)

    def ours(self, side: Side) -> CTRModel:
        """Return our model."""
        execution = Execution(sparse_optimiser=side.sparse_optimiser)
        return prepared(self.name, self.config, self.cardinalities, execution=execution, optimiser=side.optimiser)

    def theirs(self, side: Side) -> Any:
        """Return FuxiCTR's model."""
        return peer(self.name, self.config, self.cardinalities, side.embedding_l2)

    def both(self, side: Side) -> tuple[CTRModel, Any]:
        """Return our model and FuxiCTR's with the same weights."""
        ours, theirs = self.ours(side), self.theirs(side)
        copy_weights(ours, theirs, self.cardinalities)
        return ours, theirs

    def difference(self, side: Side) -> float:
        """Return the largest difference in predictions."""
        return difference(*self.both(side), self.batches())


Maker = Callable[[Side, Setting], Callable[[], object]]


def steps(side: Side, setting: Setting) -> Callable[[], object]:
    """Return work that takes some steps, loader included."""
    source: Iterator[Any]
    if side.fuxictr:
        theirs, source = setting.both(side)[1], forever(setting.their_batches())
        # FuxiCTR's epoch loop reads every loss
        return lambda: [theirs.train_step(batch).item() for batch in islice(source, STEPS_PER_ROUND)]
    ours, source = setting.ours(side), endless(setting.batches())
    return lambda: [ours.step(batch) for batch in islice(source, STEPS_PER_ROUND)]  # type: ignore[func-returns-value]


def trial(side: Side, setting: Setting) -> Callable[[], object]:
    """Return work that builds a model, trains an epoch, validates and keeps the best weights."""
    if not side.fuxictr:
        return partial(
            whole, setting.name, setting.config, Given(setting.batches(), setting.cardinalities), side.optimiser
        )
    rows = setting.their_batches()

    def fit() -> None:
        model = setting.theirs(side)
        model.checkpoint = str(setting.folder / f"{os.getpid()}.model")
        model.fit(rows, epochs=1, validation_data=rows)

    return fit


@cache
def ready(make: Maker, side: Side, setting: Setting) -> Callable[[], object]:
    """Return the work that this process repeats, built once.

    Args:
        make: builds the work of one side.
        side: ours or FuxiCTR's, and how it is run.
        setting: what both sides train.
    """
    torch.set_num_threads(1)
    logging.disable(logging.INFO)
    if side.keeps_memory:
        keep_freed_memory()
    return make(side, setting)


def prepare(make: Maker, side: Side, setting: Setting) -> None:
    """Build the work before anything is timed.

    Args:
        make: builds the work of one side.
        side: ours or FuxiCTR's, and how it is run.
        setting: what both sides train.
    """
    ready(make, side, setting)


def seconds(make: Maker, side: Side, setting: Setting) -> float:
    """Return the CPU seconds that the work takes.

    Args:
        make: builds the work of one side.
        side: ours or FuxiCTR's, and how it is run.
        setting: what both sides train.
    """
    return Clock().of(ready(make, side, setting))


def in_turn(make: Maker, sides: set[Side], setting: Setting, n: int) -> dict[Side, list[float]]:
    """Return the CPU seconds of each side's work in each round, every side in a process of its own.

    Args:
        make: builds the work of one side.
        sides: that take turns.
        setting: what they train.
        n: number of rounds.
    """
    with ExitStack() as stack:
        spawn = multiprocessing.get_context("spawn")
        pools = {side: stack.enter_context(ProcessPoolExecutor(1, spawn)) for side in sides}
        for started in [pool.submit(prepare, make, side, setting) for side, pool in pools.items()]:
            started.result()

        def once(side: Side) -> float:
            return pools[side].submit(seconds, make, side, setting).result()

        what = f"{make.__name__} beside FuxiCTR's, {models.title(setting.name)} {setting.mflop:g} MFLOP"
        taken = rounds(what, {repr(side): partial(once, side) for side in sorted(sides, key=repr)}, n)
    return {side: taken[repr(side)] for side in sides}


def compared(
    make: Maker, settings: tuple[tuple[str, float, int], ...], rows: int, columns: tuple[str, ...], n: int
) -> Section:
    """Return a table of ratios of FuxiCTR's time over ours, a row for each model and size.

    Args:
        make: builds the work of one side.
        settings: model, forward MFLOP and batch size of each row.
        rows: training rows, in batches.
        columns: names of RATIOS.
        n: number of rounds.
    """
    lines: list[tuple[str, ...]] = []
    ratios: dict[str, list[float]] = {}
    for name, mflop, batch_size in settings:
        with tempfile.TemporaryDirectory() as folder:
            cardinalities = write_clicks(Path(folder), rows * batch_size)
            setting = Setting(name, mflop, batch_size, cardinalities, Path(folder))
            off = max(setting.difference(OURS), setting.difference(OURS_L2))
            flops = setting.config.flops(N_DENSE, N_SPARSE) / 1e6
            where = (models.title(name), f"{flops:.2f}", f"{batch_size:,}", f"{off:.0e}")
            if off > TOLERANCE:  # not the same model
                lines.append((*where, f"not compared: above {TOLERANCE:.0e}", *[""] * (len(columns) - 1)))
                continue
            taken = in_turn(make, {side for column in columns for side in RATIOS[column]}, setting, n)
        ratio_of = {
            column: [a / b for a, b in zip(*(taken[side] for side in RATIOS[column]), strict=True)]
            for column in columns
        }
        what = f"FuxiCTR's {make.__name__} over ours, {models.title(name)} {mflop:g}"
        ratios |= {f"{what}, {column}": values for column, values in ratio_of.items()}
        lines.append((*where, *(spread(values) for values in ratio_of.values())))
    return Section(pipe_table(("model", "forward MFLOP", "batch", "greatest difference", *columns), lines), ratios)


def of_steps(n: int) -> Section:
    """Compare whole steps, loader included."""
    return compared(steps, STEP_SETTINGS, 24, tuple(RATIOS), n)


def of_trials(n: int) -> Section:
    """Compare whole trials: FuxiCTR's `fit` with ours."""
    return compared(trial, TRIAL_SETTINGS, TRIAL_STEPS, DENSE_ADAM, n)
