"""Speed of each part of a step: paired and repeated, in CPU seconds of one thread or in seconds on a GPU.

Every round runs all cases and a large matrix product, alternately in forward and reverse order, so that other load on the
machine affects all cases alike. The reported ratios are medians over rounds of ratios within a round.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np
import torch
from rich.progress import Progress

import models
from benchmark.output import Screen
from benchmark.reports.formats import pipe_table
from benchmark.speed.inputs import EMBEDDING_DIM, N_DENSE, N_SPARSE, clicks, config_at, endless, prepared
from models.base import CTRModel, Execution, Linear
from models.base.config import TRAINING_FLOPS_PER_FORWARD_FLOP

SIZES = ((0.4, 4096), (12.0, 512))  # forward MFLOP per example and batch size: small, large
PEAK_WIDTH = 2048  # of the square matrices whose product defines the machine's peak


@dataclass(frozen=True)
class Clock:
    """Seconds on a device: CPU time of this process, or wall time after a GPU has finished."""

    device: str = "cpu"

    def __call__(self) -> float:
        """Return the current reading in seconds."""
        if self.device == "cpu":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()

    def of(self, work: Callable[[], object]) -> float:
        """Return how many seconds the work takes."""
        started = self()
        work()
        return self() - started


def rounds(what: str, cases: dict[str, Callable[[], Any]], n: int) -> dict[str, list[Any]]:
    """Return what each case returns in each of n rounds, after one warm-up round; every other round runs in reverse.

    Args:
        what: label of the progress bar.
        cases: work by name.
        n: number of rounds.
    """
    results: dict[str, list[Any]] = {name: [] for name in cases}
    # refreshed between cases only: a drawing thread would add to the CPU seconds measured within them
    console = Screen(stderr=True)
    with Progress(console=console, auto_refresh=False, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=(n + 1) * len(cases))
        for i in range(n + 1):
            for name in list(cases)[:: 1 if i % 2 else -1]:
                result = cases[name]()
                if i:
                    results[name].append(result)
                bar.update(task, advance=1, refresh=True)
    return results


def spread(values: list[float], digits: int = 2) -> str:
    """Return the median with minimum and maximum as text."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


@dataclass(frozen=True)
class Section:
    """A Markdown table, and the ratios in it that may have a target, one value per round."""

    text: str
    ratios: dict[str, list[float]] = field(default_factory=dict)


def peak(clock: Clock) -> float:
    """Return FLOP/s of a large float32 matrix product, with the process's setting of TF32 and the like."""
    a = torch.ones(PEAK_WIDTH, PEAK_WIDTH, device=clock.device)
    return 4 * PEAK_WIDTH**3 / clock.of(lambda: (a @ a, a @ a))


def bandwidth(clock: Clock) -> float:
    """Return bytes/s read and written by a copy of 256 MiB."""
    a = torch.ones(2**26, device=clock.device)
    b = torch.empty_like(a)
    return 2 * 4 * 2**26 / clock.of(lambda: b.copy_(a))


def products(widths: Sequence[int], batch_size: int, clock: Clock) -> float:
    """Return FLOP/s of an MLP's linear layers alone, forward and backward: the speed that its shapes allow.

    Args:
        widths: of the input and of each layer.
        batch_size: examples in the batch.
        clock: of the device.
    """
    seconds, flops = 0.0, 0
    for n_in, n_out in pairwise(widths):
        layer = Linear(n_in, n_out, device=clock.device)
        x_BI = torch.ones(batch_size, n_in, device=clock.device, requires_grad=True)
        gradient_BO = torch.ones(batch_size, n_out, device=clock.device)
        seconds += clock.of(lambda: layer(x_BI).backward(gradient_BO))  # noqa: B023
        flops += TRAINING_FLOPS_PER_FORWARD_FLOP * 2 * batch_size * n_in * n_out
    return flops / seconds


PARTS = ("data", "forward", "backward", "optimiser")


def step_parts(model: CTRModel, batches: Iterator[Any], clock: Clock) -> tuple[float, ...]:
    """Return the seconds of each of PARTS in one step.

    Args:
        model: ready to take steps.
        batches: of which one is taken.
        clock: of the model's device.
    """
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


def of_models(names: list[str], device: str, n: int, execution: Execution | None = None) -> Section:
    """Return the table of all models at both sizes.

    Args:
        names: of the models.
        device: to train on.
        n: number of rounds.
        execution: precision and compilation.
    """
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
            measured = rounds(f"parts of a step, {mflop:g} MFLOP", cases, n)
        alone = [100 * a / p for a, p in zip(measured["MLP's products alone"], measured["peak"], strict=True)]
        rows.append(("MLP's products alone", f"{mflop:.2f}", f"{batch_size:,}", *[""] * 5, spread(alone, 0)))
        for name, config in configs.items():
            flops = config.flops(N_DENSE, N_SPARSE)
            parts = np.array(measured[name])
            arithmetic = parts[:, 1:3].sum(1)
            trained = TRAINING_FLOPS_PER_FORWARD_FLOP * flops * batch_size
            share = [trained / s / p for s, p in zip(arithmetic, measured["peak"], strict=True)]
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
