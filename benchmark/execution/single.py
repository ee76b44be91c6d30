"""Train one configuration of a model on one data set and keep its weights; called by `wukong-bench train`."""

import math
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

import models
from benchmark.errors import RunError, disk_errors
from benchmark.execution.configurations import Configuration
from benchmark.execution.planning.plan import seconds_per_step
from benchmark.execution.planning.room import bytes_of, memory
from benchmark.execution.progress.display import RunDisplay, duration
from benchmark.execution.studies import facts
from benchmark.protocol import Protocol, validated
from benchmark.records.record import Record
from benchmark.reports.cells import count
from benchmark.study import Study
from benchmark.training.memory import keep_freed_memory
from benchmark.training.runner import Runner
from datamodules.base import CTRDataModule
from models.base.config import TRAINING_FLOPS_PER_FORWARD_FLOP


@dataclass(frozen=True)
class SingleStudy(Study):
    """One training, whose record nobody compares with others; it stands in the folder of the weights."""

    out: Path = Path("weights")

    @property
    def name(self) -> str:
        """Name shown on the screen."""
        return f"{self.dataset}/{self.model}"

    def records(self) -> list[Record]:
        """Return none: there is no results folder."""
        return []

    def keep(self, record: Record) -> None:
        """Keep nothing: the weights hold the record."""

    def keep_predictions(self, seed: int, logits: object, labels: object) -> str | None:
        """Keep none: the weights give them again.

        Args:
            seed: of the training.
            logits: of the test part.
            labels: of the test part.
        """
        return None

    def weights_folder(self, seed: int) -> Path:
        """Return the folder that the command names."""
        return self.out

    def runs_left(self) -> int:
        """Return the number of trainings."""
        return 1


def train(
    model: str,
    dataset: str,
    chosen: Configuration,
    out: Path,
    *,
    data_dir: Path | None = None,
    device: str = "cpu",
    console: Console,
) -> Record:
    """Train, write the weights of the best epoch to a new folder, and return the record with validation and test metrics.

    Raises RunError if the folder exists, if memory is short, or if the training fails or is stopped; nothing is
    written then.

    Args:
        model: name of the model.
        dataset: name of the data set.
        chosen: architecture, optimiser, settings of the training and seed.
        out: folder to write.
        data_dir: folder of the raw data sets; None: the default.
        device: cpu, cuda or cuda:N.
        console: shows the progress.
    """
    if out.exists() or out.is_symlink():
        raise RunError(f"{out} exists; remove it or choose another --out")
    existing = next(folder for folder in out.absolute().parents if folder.exists())
    with disk_errors(existing / out.name), tempfile.TemporaryFile(dir=existing):  # now rather than after the training
        pass
    keep_freed_memory()
    protocol = _protocol(model, dataset, chosen)
    with console.status("loading the data ..."):
        about = facts(protocol, data_dir)[dataset]
    flops = chosen.config.flops(len(about["dense_columns"]), len(about["sparse_columns"]))
    mflop = TRAINING_FLOPS_PER_FORWARD_FLOP * flops / 1e6
    study = SingleStudy(
        protocol,
        dataset,
        model,
        chosen.budget or mflop,
        out.parent,
        "",
        data_dir,
        device,
        keep_weights=True,
        stall_seconds=math.inf,
        out=out,
    )
    if chosen.fingerprint not in ("", about["fingerprint"]):
        _print(console, f"note: chosen on other data: {chosen.fingerprint}, now {about['fingerprint']}")
    runner = Runner(study, lambda event: None, study)
    with console.status("measuring a few steps ..."):
        parameters, steps, seconds = _measured(study, chosen, runner.data)
    _print(
        console,
        f"{models.title(model)} on {about['title']}, {chosen.origin}: {count(parameters)} parameters, {mflop:.4g} MFLOP "
        f"per example, at most {chosen.training.epochs} x {steps:,} steps of {runner.data.batch_size:,} rows on {device}, "
        f"about {duration(seconds)}",
    )
    with RunDisplay([study], console) as display, runner:
        runner.on_event = display
        try:
            record = runner.train("final", 0, chosen.seed, chosen.config, chosen.optimiser, params={})
        except SystemExit:  # Lightning's, on Ctrl-C and SIGTERM
            raise RunError(f"{study.name}: stopped; nothing was written") from None
        runner.keep(record)
    if record.status != "complete":
        raise RunError(f"{study.name}: {record.status}: {record.error}")
    return record


def _protocol(model: str, dataset: str, chosen: Configuration) -> Protocol:
    """Return what the training takes as a protocol. Raises ProtocolError."""
    values = {
        "name": "train",
        "datasets": [dataset],
        "models": [model],
        "budgets": [1.0],  # required, not used
        "embedding_dim": chosen.config.embedding_dim,
        "training": chosen.training.model_dump(exclude_none=True),
        "final": {"seeds": [chosen.seed]},
    }
    return validated(values, chosen.origin)


def _measured(study: SingleStudy, chosen: Configuration, data: CTRDataModule) -> tuple[int, int, float]:
    """Return parameters, steps of an epoch and estimated seconds of the training. Raises RunError if memory is short."""
    build = partial(models.load(study.model), chosen.config, data.n_dense, data.cardinalities)
    with torch.device("meta"):
        needed = bytes_of(build(), study)
    if needed > (had := memory(study.device)):
        raise RunError(
            f"{study.name}: needs {needed:,} bytes for weights, gradients and moments; {study.device} has {had:,}"
        )
    model, rows, steps = build().to(study.device), data.meta["rows"], len(data.train_dataloader())
    # in training epochs; validation has a forward pass only
    validation = rows["valid"] / TRAINING_FLOPS_PER_FORWARD_FLOP / rows["train"]
    seconds = seconds_per_step(study, model, data) * steps * chosen.training.epochs * (1 + validation)
    return sum(p.numel() for p in model.parameters()), steps, seconds


def _print(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, markup=False, highlight=False)
