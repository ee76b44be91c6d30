"""What a run would do and cost, measured on a few steps of each study's default configuration; trains nothing to keep."""

import time
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track

import datamodules
import models
from benchmark import formats, run
from benchmark.formats import Cell, Column, Table
from benchmark.memory import keep_freed_memory
from benchmark.progress import duration
from benchmark.protocol import Protocol
from benchmark.space import default_config
from benchmark.study import Study
from benchmark.tables.cells import count
from models.base import CTRModel, Execution

WARM_UP_STEPS, TIMED_STEPS = 2, 8
BYTES_PER_PARAMETER = 16  # float32 weight, gradient and Adam's two moments
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
    """Print one line for each study and their sum."""
    torch.set_num_threads(1)
    keep_freed_memory()
    facts = run.facts(protocol, data_dir)
    studies = run.studies(protocol, results, facts, data_dir, device)
    rows = []
    total = 0.0
    for study in track(studies, "measuring a few steps of each study", console=console, transient=True):
        n_runs, n_rows = study.runs_left(), facts[study.dataset]["rows"]
        model, flops = _default_model(study)
        seconds = _seconds_per_step(study, model)
        steps = -(-n_rows["train"] // protocol.training.batch_size) * protocol.training.epochs
        estimate = (
            n_runs * seconds * steps * (1 + (n_rows["valid"] / 3) / n_rows["train"])
        )  # validation is forward only
        total += estimate
        n_parameters = sum(p.numel() for p in model.parameters())
        rows.append(
            (
                Cell(study.name),
                Cell(str(n_runs)),
                Cell(count(flops)),
                Cell(count(n_parameters)),
                Cell(f"{seconds * 1e3:.1f}"),
                Cell(f"{steps:,}"),
                Cell(duration(estimate)),
                Cell(f"{count(n_parameters * BYTES_PER_PARAMETER)}B"),
            )
        )
    epochs = f"{protocol.training.epochs} epoch" + "s" * (protocol.training.epochs > 1)
    table = Table("plan", protocol.name, protocol.title, COLUMNS, tuple(rows))
    console.print(formats.terminal(table, console.width))
    console.print(
        f"{len(studies)} studies of {protocol.search.trials} trials, {protocol.search.n_retrials} retrials and "
        f"{len(protocol.final.seeds)} final runs, "
        f"of at most {epochs}: about {duration(total / jobs)} with {jobs} at a time on {device}. "
        "Memory is that of parameters, gradients and Adam's moments; other shapes of the search take longer or less.",
        highlight=False,
    )


def _default_model(study: Study) -> tuple[CTRModel, int]:
    data = _data(study)
    config = default_config(study, data.n_dense, len(data.cardinalities))
    model = models.load(study.model)(config, data.n_dense, data.cardinalities).to(study.device)
    return model, 3 * config.flops(data.n_dense, len(data.cardinalities))


def _data(study: Study) -> "datamodules.base.CTRDataModule":
    training = study.protocol.training
    return datamodules.load(study.dataset)(
        study.data_dir, batch_size=training.batch_size, train_rows=training.train_rows, device=study.device
    )


def _seconds_per_step(study: Study, model: CTRModel) -> float:
    """Mean time of a forward, backward and optimiser step on real batches."""
    model.execution = Execution(**study.protocol.training.model_dump(include=set(Execution.model_fields)))
    model.configure_optimizers()
    batches = iter(_data(study).train_dataloader())
    started, steps = 0.0, 0
    for i, batch in zip(range(WARM_UP_STEPS + TIMED_STEPS), batches, strict=False):
        if i == WARM_UP_STEPS:
            started, steps = time.monotonic(), 0
        model.step(batch)
        steps += 1
    if study.device.startswith("cuda"):
        torch.cuda.synchronize()
    return (time.monotonic() - started) / max(steps, 1)
