"""Loggers of other tools get every training when it has finished, by Lightning's classes. The records alone count.

Logs lie in `logs/<protocol>/` under the working folder, not among the results: TensorBoard and wandb write the machine's name
into theirs. Nothing is sent over a network unless WANDB_MODE or MLFLOW_TRACKING_URI asks for it.
"""

import os
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmark.errors import RunError
from benchmark.records.record import Record
from benchmark.study import Event, OnEvent, Study

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

PACKAGES = {"csv": None, "tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow"}
LOGS = Path("logs")


def check_logger(name: str) -> None:
    """Raise RunError for an unknown logger and for one whose package is missing."""
    if name not in PACKAGES:
        raise RunError(f"no logger {name!r}; use {', '.join(PACKAGES)}")
    package = PACKAGES[name]
    if package is not None and find_spec(package) is None:
        raise RunError(f"--logger {name} needs the extra {name!r}: pip install -e '.[{name}]'")


def logged(name: str | None, study: Study, on_event: OnEvent, console: Console) -> OnEvent:
    """Return `on_event` followed by a log of each training that has finished; `on_event` itself without a logger.

    Args:
        name: of the logger.
        study: one of those of the run, which names the protocol.
        on_event: called first.
        console: told if the logger fails, after which it is not called again.
    """
    if name is None:
        return on_event
    lock, broken = threading.Lock(), threading.Event()  # workers report from threads of their own

    def both(event: Event) -> None:
        on_event(event)
        if event.finished is None or not event.finished.history or broken.is_set():
            return
        with lock:
            try:
                log(name, LOGS / study.protocol.name, event.finished)
            except Exception as error:  # whatever the tool raises; the run does not depend on it
                broken.set()
                reason = str(error).partition("\n")[0]
                console.print(f"warning: --logger {name} stopped: {type(error).__name__}: {reason}", soft_wrap=True)

    return both


def log(name: str, folder: Path, record: Record) -> None:
    """Write one training: its configuration, the metrics of each epoch and, of a final run, those of the test part.

    Args:
        name: of the logger.
        folder: for all logs of a protocol.
        record: of the training.
    """
    run = f"{record.kind}-{record.trial}" + ("" if record.kind == "trial" else f"-seed-{record.seed}")
    logger = _logger(name, folder, f"{record.dataset}/{record.model}/{record.budget:g}-block-{record.block}", run)
    known = record.model_dump(mode="json", include={"config", "optimiser", "params", "status", "training_flops"})
    logger.log_hyperparams(known)
    for epoch, metrics in enumerate(record.history, start=1):
        named = {key if key == "train_loss" else f"valid_{key}": value for key, value in metrics.items()}
        logger.log_metrics(named, step=epoch)
    if record.test:
        logger.log_metrics({f"test_{key}": value for key, value in record.test.items()}, step=len(record.history))
    logger.save()
    logger.finalize("success")
    if name == "wandb":
        logger.experiment.finish()  # type: ignore[attr-defined]  # the next training is a run of its own


def _logger(name: str, folder: Path, study: str, run: str) -> "Logger":
    """Return Lightning's logger of a training.

    Args:
        name: of the logger.
        folder: for all logs of a protocol.
        study: path of the training's study.
        run: name of the training within it.
    """
    from lightning.pytorch import loggers

    if name == "csv":
        return loggers.CSVLogger(folder, study, run)
    if name == "tensorboard":
        return loggers.TensorBoardLogger(folder, study, run, default_hp_metric=False)
    folder.mkdir(parents=True, exist_ok=True)
    if name == "wandb":
        os.environ.setdefault("WANDB_MODE", "offline")
        os.environ.setdefault("WANDB_SILENT", "true")
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        return loggers.WandbLogger(f"{study}/{run}", folder, project=folder.name, group=study)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    tracking = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder.resolve()}/mlflow.db"
    options: dict[str, Any] = {"tracking_uri": tracking, "run_name": run, "tags": {"study": study}}
    return loggers.MLFlowLogger(folder.name, **options)
