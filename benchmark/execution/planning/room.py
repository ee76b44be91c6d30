"""Whether the configurations of a run can be trained on this machine at all, before anything is trained."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

import models
from benchmark import budget as budgets
from benchmark.errors import RunError
from benchmark.execution.studies import by_cell
from benchmark.study import Study
from benchmark.training.inputs import budget_of
from datamodules.base.batches import ROWS_TO_NORMALISE
from models.base import CTRModel

BYTES_PER_PARAMETER = 16  # float32 weight, gradient and Adam's two moments
BYTES_PER_SPARSE_PARAMETER = 4  # rowwise_adagrad: gradients and sums are of rows
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))  # of a container


def check_room(studies: Sequence[Study], about: Mapping[str, dict[str, Any]], at_a_time: int | None) -> None:
    """Raise RunError if a study's default configuration cannot be trained here.

    Its weights, gradients and moments must fit the memory, those of `at_a_time` studies together, and a model that normalises
    over the batch needs two rows of it on each device.

    Args:
        studies: that would run.
        about: facts about their data sets.
        at_a_time: number of studies that one device trains at the same time; None: the memory is another machine's.
    """
    had = memory(studies[0].device) if at_a_time else math.inf
    needed: dict[str, int] = {}
    for name, (*_, study) in by_cell(studies).items():
        try:
            model = default_model(study, about[study.dataset])
        except budgets.Infeasible:  # another draw may meet the budget
            continue
        needed[name] = bytes_of(model, study)
        if needed[name] > had:
            raise RunError(
                f"{name}: needs {needed[name]:,} bytes for weights, gradients and moments of the default configuration; "
                f"{study.device} has {had:,}; use a smaller budget or embedding_dim, or fewer rows of embeddings"
            )
        _check_batch(study, model, about[study.dataset]["rows"]["train"])
    if at_a_time is None:
        return
    largest = sorted(needed, key=lambda name: needed[name], reverse=True)[:at_a_time]
    if (total := sum(needed[name] for name in largest)) > had:
        raise RunError(
            f"{', '.join(largest)} at the same time need {total:,} bytes for weights, gradients and moments; "
            f"{studies[0].device} has {had:,}; use a smaller --jobs or --per-gpu than {at_a_time}"
        )


def _check_batch(study: Study, model: CTRModel, n_rows: int) -> None:
    least = ROWS_TO_NORMALISE * study.devices
    normalises = "batch" in study.protocol.search.normalisation or any(
        isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()
    )
    if normalises and min(study.protocol.training.batch_size, n_rows) < least:
        raise RunError(
            f"{study.cell}: batch norm needs batches of at least {least} rows on {study.devices} devices; "
            f"training.batch_size is {study.protocol.training.batch_size}, the train part has {n_rows:,} rows"
        )


def default_model(study: Study, about: Mapping[str, Any]) -> CTRModel:
    """Return the study's default configuration as a model without memory. Raises Infeasible.

    Args:
        study: with its model and budget.
        about: facts about its data set.
    """
    model_class = models.load(study.model)
    config = budgets.default_config(model_class.Config, budget_of(study, about))
    frozen = about["frozen_columns"]  # not trained: as if they had one row
    cardinalities = [
        1 if name in frozen else c if isinstance(c, int) else (c[0], c[1])
        for name, c in zip(about["sparse_columns"], about["cardinalities"], strict=True)
    ]
    with torch.device("meta"):
        return model_class(config, len(about["dense_columns"]), cardinalities)


def bytes_of(model: CTRModel, study: Study) -> int:
    """Return the bytes of a model's weights, gradients and moments; those of frozen tables and activations are extra."""
    embeddings = sum(p.numel() for p in model.embedding_parameters())
    others = sum(p.numel() for p in model.dense_parameters())
    sparse = study.protocol.training.sparse_optimiser == "rowwise_adagrad"
    of_one = others * BYTES_PER_PARAMETER + embeddings * (BYTES_PER_SPARSE_PARAMETER if sparse else BYTES_PER_PARAMETER)
    return (
        of_one if study.device.startswith("cuda") else of_one * study.devices
    )  # processes on the CPU share its memory


def memory(device: str) -> int:
    """Return the bytes of memory of a device; of the CPU, those that this process may use."""
    if device.startswith("cuda"):
        return torch.cuda.mem_get_info(device)[1]
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    limits = [int(path.read_text()) for path in LIMITS if path.is_file() and path.read_text().strip().isdigit()]
    return min([int(fields["MemTotal"].split()[0]) * 1024, *limits])
