"""Estimate what a run would do and cost, from a few timed steps of some configurations of each study."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import fmean

import optuna
import torch
from rich.console import Console
from rich.progress import track

import models
from benchmark import budget as budgets
from benchmark.execution.planning.detectable import differences
from benchmark.execution.planning.room import BYTES_PER_PARAMETER, check_room
from benchmark.execution.progress.display import duration
from benchmark.execution.studies import by_cell, check_reach, facts, studies_of
from benchmark.protocol import Protocol
from benchmark.reports import formats
from benchmark.reports.cells import count
from benchmark.reports.table import Cell, Column, Table
from benchmark.study import Study
from benchmark.training.inputs import budget_of, data_of
from benchmark.training.memory import keep_freed_memory
from benchmark.tuning.space import drawn
from datamodules.base import CTRDataModule
from models.base import Budget, Config, CTRModel, Execution
from models.base.config import TRAINING_FLOPS_PER_FORWARD_FLOP

DRAWS = 2  # random configurations of each study, in addition to its default
WARM_UP_STEPS, TIMED_STEPS = 2, 6
COLUMNS = (
    Column("study", numeric=False),
    Column("runs left"),
    Column("training FLOP", narrow=False),
    Column("parameters", narrow=False),
    Column("ms/step"),
    Column("steps/run", narrow=False),
    Column("estimated"),
    Column("memory"),
)


def show(protocol: Protocol, results: Path, data_dir: Path | None, device: str, jobs: int, console: Console) -> None:
    """Print a row per study and a summary.

    Args:
        protocol: what would run.
        results: folder of its results; finished runs are not counted.
        data_dir: folder of the raw data sets; None: the default.
        device: that would train.
        jobs: number of studies at a time.
        console: to print to.
    """
    torch.set_num_threads(1)
    keep_freed_memory()
    about = facts(protocol, data_dir)
    blocks = by_cell(studies_of(protocol, results, data_dir=data_dir, device=device))
    with console.status("checking budgets and memory ..."):
        firsts = [studies[0] for studies in blocks.values()]
        check_reach(firsts, about)
        check_room(firsts, about, jobs if device == "cpu" else 1)
    rows, total = [], 0.0
    measured = track(blocks.values(), "measuring a few steps of each study", console=console, transient=True)
    for studies in measured:
        n_runs = sum(study.runs_left() for study in studies)
        row, seconds = _measured(studies[0], about[studies[0].dataset]["rows"], n_runs)
        rows.append(row)
        total += seconds
    epochs = f"{protocol.training.epochs} epoch" + "s" * (protocol.training.epochs > 1)
    search = protocol.search
    table = Table("plan", protocol.name, protocol.title, COLUMNS, tuple(rows))
    console.print(formats.terminal(table, console.width))
    console.print(
        f"{len(blocks)} {'study' if len(blocks) == 1 else 'studies'} of {search.blocks} "
        f"block{'s' * (search.blocks > 1)}, each of {search.trials} trials, {search.n_retrials} retrials and "
        f"{len(protocol.final.seeds)} final runs, at most {epochs} each. Estimated time: {duration(total / jobs)} with "
        f"{jobs} at a time on {device}, assuming that parallel studies do not slow each other down. Times are means over "
        f"the default configuration and {DRAWS} random ones. Memory is that of parameters, gradients and Adam's moments of "
        "the largest of these.",
        highlight=False,
    )
    for sentence in differences(protocol, results):
        console.print(sentence, highlight=False, markup=False)


def _measured(study: Study, n_rows: dict[str, int], n_runs: int) -> tuple[tuple[Cell, ...], float]:
    """Return the row of a study with so many runs left in all blocks, and its estimated time in seconds."""
    training, data = study.protocol.training, data_of(study, study.device)
    budget = budget_of(study, data.about)
    configs = [budgets.default_config(models.load(study.model).Config, budget), *_draws(study, budget)]
    seconds, parameters = [], []
    for config in configs:
        model = models.load(study.model)(config, data.n_dense, data.cardinalities).to(study.device)
        parameters.append(sum(p.numel() for p in model.parameters()))
        seconds.append(seconds_per_step(study, model, data))
    steps = len(data.train_dataloader()) * training.epochs
    # in training epochs; validation has a forward pass only
    validation = n_rows["valid"] / TRAINING_FLOPS_PER_FORWARD_FLOP / n_rows["train"]
    estimate = n_runs * fmean(seconds) * steps * (1 + validation)
    cells = (
        Cell(study.cell),
        Cell(str(n_runs)),
        Cell(count(budgets.training_flops(configs[0], budget))),
        Cell(count(max(parameters))),
        Cell(f"{fmean(seconds) * 1e3:.1f}"),
        Cell(f"{steps:,}"),
        Cell(duration(estimate)),
        Cell(f"{count(max(parameters) * BYTES_PER_PARAMETER)}B"),
    )
    return cells, estimate


def _draws(study: Study, budget: Budget) -> Iterator[Config]:
    """Yield random configurations of the search space, drawn as trials draw them."""
    space = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=study.protocol.search.seed))
    for _ in range(DRAWS):
        trial = space.ask()
        with suppress(budgets.Infeasible):
            config, _ = drawn(trial, study, budget)
            yield config


def seconds_per_step(study: Study, model: CTRModel, data: CTRDataModule) -> float:
    """Return the mean time in seconds of a forward, backward and optimiser step on real batches.

    Args:
        study: with its device and the settings of its training.
        model: is trained by these steps.
        data: encoded.
    """
    model.execution = Execution(**study.protocol.training.model_dump(include=set(Execution.model_fields)))
    model.configure_optimizers()
    batches = iter(data.train_dataloader())
    started, steps = 0.0, 0
    for i, batch in zip(range(WARM_UP_STEPS + TIMED_STEPS), batches, strict=False):
        if i == WARM_UP_STEPS:
            started, steps = time.monotonic(), 0
        model.step(batch)
        steps += 1
    if study.device.startswith("cuda"):
        torch.cuda.synchronize()
    return (time.monotonic() - started) / max(steps, 1)
