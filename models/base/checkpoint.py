"""What a checkpoint says beside the weights: plain numbers, texts and lists from which the model is built again.

No class, function or path of code is stored, so `torch.load(weights_only=True)`, Lightning's default, reads it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from models.base import config as base
from models.base.layers import Cardinality

ARGUMENTS = ("config", "n_dense", "cardinalities")  # of every model


def arguments(config: base.Config, n_dense: int, cardinalities: Sequence[Cardinality]) -> dict[str, Any]:
    """Return a model's arguments as plain values; without `cardinalities` if a field's table is frozen.

    Frozen tables are data, which may be larger than the model; the data set provides them.

    Args:
        config: the architecture.
        n_dense: number of dense fields.
        cardinalities: one entry per sparse field; see `FieldEmbedding`.
    """
    plain = {"config": config.model_dump(mode="json"), "n_dense": n_dense}
    if any(isinstance(c, torch.Tensor) for c in cardinalities):
        return plain
    return {**plain, "cardinalities": [c if isinstance(c, int) else list(c) for c in cardinalities]}


def read(path: str | Path, model: str, config: type[base.Config], given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that a checkpoint's model is built with; those of `given` come first.

    Raises ValueError if the checkpoint is not of that model, or lacks an argument.

    Args:
        path: of a checkpoint that Lightning wrote. Weights are mapped, not read.
        model: name of the model's class.
        config: class of its config.
        given: arguments by name, as the model's class takes them.
    """
    stored = torch.load(path, map_location="cpu", weights_only=True, mmap=True).get("hyper_parameters", {})
    if stored.get("model") != model:
        raise ValueError(f"{path}: a checkpoint of {stored.get('model', 'another program')}; expected one of {model}")
    if missing := {*ARGUMENTS} - {*stored, *given}:
        raise ValueError(f"{path}: has frozen tables, which the data set provides; pass {', '.join(sorted(missing))}")
    try:
        built = {"config": config.model_validate(stored["config"]), "n_dense": stored["n_dense"]}
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "config"
        raise ValueError(f"{path}: {place}: {first['msg']}") from None
    entries = stored.get("cardinalities", [])
    return {**built, "cardinalities": [c if isinstance(c, int) else tuple(c) for c in entries], **given}
