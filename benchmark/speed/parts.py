"""How fast each part of a step is: paired, repeated, in CPU seconds of one thread, or in seconds of a GPU.

Every round runs all cases, in turn forwards and backwards, and a large matrix product, so that what the machine does
meanwhile meets all alike; what is reported is the median over rounds of each case's ratio to its own round.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress

import models
from benchmark.budget import default_config
from benchmark.reports.formats import pipe_table
from datamodules.base import Batches
from models.base import Budget, Config, CTRModel, Execution, Linear, Optimiser
from models.base.config import TRAINING_FLOPS_PER_FORWARD_FLOP

N_DENSE, N_SPARSE = 13, 26  # Criteo's fields
EMBEDDING_DIM = 16
ROWS_OF_TABLES = 1_000_000
ZIPF_EXPONENT = 1.1  # of the values' frequency
SIZES = ((0.4, 4096), (12.0, 512))  # forward MFLOP per example and batch size: small, large
PEAK_WIDTH = 2048  # of the square matrices whose product is the machine's peak


@dataclass(frozen=True)
class Clock:
    """Seconds on a device: of this process's CPU, or of the wall once a GPU has finished."""

    device: str = "cpu"

    def __call__(self) -> float:
        """Now."""
        if self.device == "cpu":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()

    def of(self, work: Callable[[], object]) -> float:
        """How long the work takes."""
        started = self()
        work()
        return self() - started


def rounds(what: str, cases: dict[str, Callable[[], Any]], n: int) -> dict[str, list[Any]]:
    """What each case returns in each of n rounds, after one that is thrown away; every other round runs backwards."""
    found: dict[str, list[Any]] = {name: [] for name in cases}
    # refreshed between cases only: a thread that draws would cost CPU seconds of the process within them
    console = Console(stderr=True)
    with Progress(console=console, auto_refresh=False, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=(n + 1) * len(cases))
        for i in range(n + 1):
            for name in list(cases)[:: 1 if i % 2 else -1]:
                result = cases[name]()
                if i:
                    found[name].append(result)
                bar.update(task, advance=1, refresh=True)
    return found


def spread(values: list[float], digits: int = 2) -> str:
    """Median with least and greatest."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


@dataclass(frozen=True)
class Section:
    """A table as Markdown, and those ratios in it that may have a target: one value of each round."""

    text: str
    ratios: dict[str, list[float]] = field(default_factory=dict)


def write_clicks(
    folder: Path, rows: int, n_sparse: int = N_SPARSE, table_rows: int = ROWS_OF_TABLES
) -> tuple[int, ...]:
    """Write Criteo-shaped random rows where Batches finds them; the cardinalities of the sparse fields."""
    draw = np.random.default_rng(0)
    cardinality = table_rows // n_sparse
    share = draw.random((rows, n_sparse))
    exponent = 1 - ZIPF_EXPONENT  # by the inverse of the continuous law's distribution
    value = (1 + share * (cardinality**exponent - 1)) ** (1 / exponent) - 1
    arrays = {
        "dense": draw.normal(size=(rows, N_DENSE)).astype(np.float32),
        "sparse": np.minimum(value, cardinality - 1).astype(np.int32),
        "label": (draw.random(rows) < 0.25).astype(np.float32),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return (cardinality,) * n_sparse


@contextmanager
def clicks(
    rows: int, batch_size: int, device: str = "cpu", *, n_sparse: int = N_SPARSE, table_rows: int = ROWS_OF_TABLES
) -> Iterator[tuple[Batches, tuple[int, ...]]]:
    """Shuffled batches of such rows from a memory map, and the cardinalities."""
    with tempfile.TemporaryDirectory() as folder:
        cardinalities = write_clicks(Path(folder), rows, n_sparse, table_rows)
        yield Batches(Path(folder), batch_size, seed=0, device=device), cardinalities


def config_at(name: str, mflop: float, n_sparse: int = N_SPARSE) -> Config:
    """Return a model's trial 0 at a size.

    Args:
        name: of the model.
        mflop: forward MFLOP per example.
        n_sparse: number of sparse columns.
    """
    training_flops = TRAINING_FLOPS_PER_FORWARD_FLOP * 1e6 * mflop
    return default_config(models.load(name).Config, Budget(training_flops, N_DENSE, n_sparse, EMBEDDING_DIM))


def prepared(
    name: str,
    config: Config,
    cardinalities: Sequence[int],
    device: str = "cpu",
    execution: Execution | None = None,
    optimiser: Optimiser | None = None,
) -> CTRModel:
    """A model ready to take steps."""
    torch.manual_seed(0)
    model = models.load(name)(config, N_DENSE, cardinalities).to(device)
    model.execution, model.optimiser = execution or Execution(), optimiser or Optimiser()
    model.configure_optimizers()
    return model


def peak(clock: Clock) -> float:
    """FLOP/s of a large float32 matrix product, TF32 or the like left as the process has it."""
    a = torch.ones(PEAK_WIDTH, PEAK_WIDTH, device=clock.device)
    return 4 * PEAK_WIDTH**3 / clock.of(lambda: (a @ a, a @ a))


def bandwidth(clock: Clock) -> float:
    """Bytes/s read and written by a copy of 256 MiB."""
    a = torch.ones(2**26, device=clock.device)
    b = torch.empty_like(a)
    return 2 * 4 * 2**26 / clock.of(lambda: b.copy_(a))


def products(widths: Sequence[int], batch_size: int, clock: Clock) -> float:
    """FLOP/s of the linear layers of an MLP of these widths alone, forward and backward: what its shapes allow."""
    seconds, flops = 0.0, 0
    for n_in, n_out in pairwise(widths):
        layer = Linear(n_in, n_out, device=clock.device)
        x_BI = torch.ones(batch_size, n_in, device=clock.device, requires_grad=True)
        gradient_BO = torch.ones(batch_size, n_out, device=clock.device)
        seconds += clock.of(lambda: layer(x_BI).backward(gradient_BO))  # noqa: B023
        flops += 6 * batch_size * n_in * n_out
    return flops / seconds


PARTS = ("data", "forward", "backward", "optimiser")


def step_parts(model: CTRModel, batches: Iterator[Any], clock: Clock) -> tuple[float, ...]:
    """Seconds of each of PARTS in one step."""
    marks = [clock()]
    batch = next(batches)
    marks.append(clock())
    loss = model.execution.loss(model, batch)
    marks.append(clock())
    loss.backward()
    marks.append(clock())
    model.update.step()
    marks.append(clock())
    return tuple(b - a for a, b in pairwise(marks))


def endless(batches: Batches) -> Iterator[Any]:
    """Full batches, epoch after epoch."""
    while True:
        yield from (batch for batch in batches if len(batch[2]) == batches.batch_size)


def of_models(names: list[str], device: str, n: int, execution: Execution | None = None) -> Section:
    """The table of all models at both sizes."""
    clock, rows, ratios = Clock(device), [], {}
    for mflop, batch_size in SIZES:
        with clicks(16 * batch_size, batch_size, device) as (batches, cardinalities):
            cases: dict[str, Callable[[], Any]] = {"peak": partial(peak, clock)}
            mlp: Any = config_at("mlp", mflop)
            cases["MLP's products alone"] = partial(
                products, ((N_DENSE + N_SPARSE) * EMBEDDING_DIM, *mlp.hidden), batch_size, clock
            )
            configs = {name: config_at(name, mflop) for name in names}
            for name, config in configs.items():
                model, source = prepared(name, config, cardinalities, device, execution), endless(batches)
                cases[name] = partial(step_parts, model, source, clock)
            found = rounds(f"parts of a step, {mflop:g} MFLOP", cases, n)
        alone = [100 * a / p for a, p in zip(found["MLP's products alone"], found["peak"], strict=True)]
        rows.append(("MLP's products alone", f"{mflop:.2f}", f"{batch_size:,}", *[""] * 5, spread(alone, 0)))
        for name, config in configs.items():
            flops = config.flops(N_DENSE, N_SPARSE)
            parts = np.array(found[name])
            arithmetic = parts[:, 1:3].sum(1)
            share = [3 * flops * batch_size / s / p for s, p in zip(arithmetic, found["peak"], strict=True)]
            ratios[f"share of GEMM peak, {models.title(name)} {mflop:g}"] = share
            rate = batch_size / np.median(parts.sum(1)) / 1e3
            rows.append(
                (
                    models.title(name),
                    f"{flops / 1e6:.2f}",
                    f"{batch_size:,}",
                    *(f"{1e3 * x:.1f}" for x in np.median(parts, 0)),
                    f"{rate:.1f}",
                    spread([100 * s for s in share], 0) if flops > mflop * 5e5 else "",  # FM and LR: look-ups only
                )
            )
    header = (
        "model",
        "forward MFLOP",
        "batch",
        *(f"{part} ms" for part in PARTS),
        "k examples/s",
        "% of GEMM peak, forward + backward",
    )
    machine = f"GEMM peak {median(peak(clock) for _ in range(5)) / 1e9:.0f} GFLOP/s, "
    machine += f"copy {median(bandwidth(clock) for _ in range(5)) / 1e9:.1f} GB/s."
    return Section(f"{machine}\n\n{pipe_table(header, rows)}", ratios)
