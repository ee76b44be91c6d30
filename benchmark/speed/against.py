"""Whole steps and whole trials against FuxiCTR's: each side in a process of its own, in turn on the same rows.

A process has one allocator. Ours is told to keep what is freed, as in every run; FuxiCTR's users have the one that the
system gives them. So FuxiCTR runs both ways, and what the setting alone is worth can be read off.
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
from benchmark.speed.parts import (
    N_DENSE,
    N_SPARSE,
    SIZES,
    Clock,
    Section,
    endless,
    prepared,
    rounds,
    spread,
    table,
    write_clicks,
)
from benchmark.speed.peer import configured, copy_weights, difference, forever, loader, peer
from benchmark.speed.trial import Given, whole
from benchmark.training.memory import keep_freed_memory
from datamodules.base import Batches
from models.base import Config, CTRModel, Execution, Optimiser, SparseOptimiser

SMALL = (0.1, 4096)  # forward MFLOP and batch size where the embeddings and what surrounds the arithmetic weigh most
STEP_CASES = (("mlp", *SMALL), *(("mlp", *size) for size in SIZES), ("dcnv2", 0.85, 4096), ("dcnv2", *SIZES[1]))
TRIAL_CASES = (("mlp", *SMALL), ("mlp", *SIZES[0]))
STEPS_PER_ROUND = 4
TRIAL_STEPS = 128
EMBEDDING_L2 = 1e-5  # of nearly all of BARS's configurations on Criteo_x1
TOLERANCE = 1e-5  # of predictions before and after three steps


@dataclass(frozen=True)
class Side:
    """Who trains, and how."""

    fuxictr: bool = False
    keeps_memory: bool = True
    embedding_l2: float = 0.0
    sparse_optimiser: SparseOptimiser = "adam"

    @property
    def optimiser(self) -> Optimiser:
        """Our settings of it."""
        return Optimiser(embedding_l2=self.embedding_l2)


OURS, OURS_L2, ROWWISE = Side(), Side(embedding_l2=EMBEDDING_L2), Side(sparse_optimiser="rowwise_adagrad")
THEIRS = Side(fuxictr=True, keeps_memory=False)
THEIRS_L2 = Side(fuxictr=True, keeps_memory=False, embedding_l2=EMBEDDING_L2)
THEIRS_KEEPING = Side(fuxictr=True)
RATIOS = {  # FuxiCTR's time over ours, by what a column says
    "as each comes": (THEIRS, OURS),
    "with embedding L2": (THEIRS_L2, OURS_L2),
    "same allocator": (THEIRS_KEEPING, OURS),
    "row-wise Adagrad": (THEIRS, ROWWISE),
}
DENSE_ADAM = tuple(how for how, (_, ours) in RATIOS.items() if ours.sparse_optimiser == "adam")


@dataclass(frozen=True)
class Case:
    """What is trained, and the folder of the rows it is trained on."""

    name: str
    mflop: float
    batch_size: int
    cardinalities: tuple[int, ...]
    folder: Path

    def batches(self) -> Batches:
        """Our batches of the rows."""
        return Batches(self.folder, self.batch_size, seed=0)

    def their_batches(self) -> Any:
        """FuxiCTR's loader of the same rows."""
        folder = self.folder / str(os.getpid())
        folder.mkdir()
        return loader(self.batches(), self.cardinalities, folder)

    @cached_property  # solved before anything is timed
    def config(self) -> Config:
        """The configuration of both sides' models."""
        return configured(self.name, self.mflop)

    def ours(self, side: Side) -> CTRModel:
        """Our model."""
        execution = Execution(sparse_optimiser=side.sparse_optimiser)
        return prepared(self.name, self.config, self.cardinalities, execution=execution, optimiser=side.optimiser)

    def theirs(self, side: Side) -> Any:
        """FuxiCTR's model."""
        return peer(self.name, self.config, self.cardinalities, side.embedding_l2)

    def both(self, side: Side) -> tuple[CTRModel, Any]:
        """Ours and FuxiCTR's with the same weights."""
        ours, theirs = self.ours(side), self.theirs(side)
        copy_weights(ours, theirs, self.cardinalities)
        return ours, theirs

    def difference(self, side: Side) -> float:
        """Greatest difference of the two models' predictions; raises ArithmeticError if they are not the same model."""
        off = difference(*self.both(side), self.batches())
        if off > TOLERANCE:
            raise ArithmeticError(f"{self.name}: predictions differ from FuxiCTR's by {off:.1e}; no speeds compared")
        return off


Maker = Callable[[Side, Case], Callable[[], object]]


def steps(side: Side, case: Case) -> Callable[[], object]:
    """Some steps, loader included."""
    source: Iterator[Any]
    if side.fuxictr:
        theirs, source = case.both(side)[1], forever(case.their_batches())
        # its epoch's loop reads every loss
        return lambda: [theirs.train_step(batch).item() for batch in islice(source, STEPS_PER_ROUND)]
    ours, source = case.ours(side), endless(case.batches())
    return lambda: [ours.step(batch) for batch in islice(source, STEPS_PER_ROUND)]  # type: ignore[func-returns-value]


def trial(side: Side, case: Case) -> Callable[[], object]:
    """Build, train an epoch, validate, keep the best weights."""
    if not side.fuxictr:
        return partial(whole, case.name, case.config, Given(case.batches(), case.cardinalities), side.optimiser)
    rows = case.their_batches()

    def fit() -> None:
        model = case.theirs(side)
        model.checkpoint = str(case.folder / f"{os.getpid()}.model")
        model.fit(rows, epochs=1, validation_data=rows)

    return fit


@cache
def ready(make: Maker, side: Side, case: Case) -> Callable[[], object]:
    """What this process is to do again and again, made once."""
    torch.set_num_threads(1)
    logging.disable(logging.INFO)
    if side.keeps_memory:
        keep_freed_memory()
    return make(side, case)


def prepare(make: Maker, side: Side, case: Case) -> None:
    """Make it."""
    ready(make, side, case)


def seconds(make: Maker, side: Side, case: Case) -> float:
    """CPU seconds that it takes."""
    return Clock().of(ready(make, side, case))


def in_turn(make: Maker, sides: set[Side], case: Case, n: int) -> dict[Side, list[float]]:
    """CPU seconds of each side's work in each of n rounds."""
    with ExitStack() as stack:
        spawn = multiprocessing.get_context("spawn")
        pools = {side: stack.enter_context(ProcessPoolExecutor(1, spawn)) for side in sides}
        for started in [pool.submit(prepare, make, side, case) for side, pool in pools.items()]:
            started.result()

        def once(side: Side) -> float:
            return pools[side].submit(seconds, make, side, case).result()

        what = f"{make.__name__} beside FuxiCTR's, {models.title(case.name)} {case.mflop:g} MFLOP"
        found = rounds(what, {repr(side): partial(once, side) for side in sorted(sides, key=repr)}, n)
    return {side: found[repr(side)] for side in sides}


def compared(
    make: Maker,
    cases: tuple[tuple[str, float, int], ...],
    rows: int,
    columns: tuple[str, ...],
    n: int,
) -> Section:
    """The table of those RATIOS, by model and size."""
    lines: list[tuple[str, ...]] = []
    ratios: dict[str, list[float]] = {}
    for name, mflop, batch_size in cases:
        with tempfile.TemporaryDirectory() as folder:
            cardinalities = write_clicks(Path(folder), rows * batch_size)
            case = Case(name, mflop, batch_size, cardinalities, Path(folder))
            off = max(case.difference(OURS), case.difference(OURS_L2))
            taken = in_turn(make, {side for column in columns for side in RATIOS[column]}, case, n)
        found = {
            column: [a / b for a, b in zip(*(taken[side] for side in RATIOS[column]), strict=True)]
            for column in columns
        }
        what = f"FuxiCTR's {make.__name__} over ours, {models.title(name)} {mflop:g}"
        ratios |= {f"{what}, {column}": values for column, values in found.items()}
        flops = case.config.flops(N_DENSE, N_SPARSE) / 1e6
        where = (models.title(name), f"{flops:.2f}", f"{batch_size:,}", f"{off:.0e}")
        lines.append((*where, *(spread(values) for values in found.values())))
    return Section(table(("model", "forward MFLOP", "batch", "greatest difference", *columns), lines), ratios)


def of_steps(n: int) -> Section:
    """Whole steps, loader included."""
    return compared(steps, STEP_CASES, 24, tuple(RATIOS), n)


def of_trials(n: int) -> Section:
    """Whole trials: FuxiCTR's `fit` against ours."""
    return compared(trial, TRIAL_CASES, TRIAL_STEPS, DENSE_ADAM, n)
