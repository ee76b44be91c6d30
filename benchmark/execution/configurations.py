"""Where the configuration of a single training comes from: a preset, a file, or the winner of a results folder."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

import models
from benchmark.errors import ProtocolError, RunError, nearest
from benchmark.protocol import of_folder
from benchmark.protocol.sections import Training
from benchmark.records import store
from benchmark.study import of_kind, winner
from models.base import Config, Optimiser

SECTIONS = ("model", "optimiser", "training")
Kind = TypeVar("Kind", bound=BaseModel)


@dataclass(frozen=True)
class Configuration:
    """What one training takes besides its data."""

    config: Config
    optimiser: Optimiser
    training: Training
    seed: int
    origin: str  # for the reader
    fingerprint: str = ""  # of the data that it was chosen on
    budget: float | None = None  # that it was chosen at


def of_preset(model: str, name: str, changes: Mapping[str, Any]) -> Configuration:
    """Return a published configuration of a model. Raises ProtocolError for a name or value that is not allowed.

    Args:
        model: name of the model.
        name: of the preset.
        changes: values by `section.key`.
    """
    presets = models.preset_fields(model)
    if name not in presets:
        raise ProtocolError(f"no preset {name!r} of {model}; {nearest(name, list(presets))}")
    return _configuration(model, {"model": presets[name]}, changes, f"preset {name}")


def of_file(model: str, path: Path, changes: Mapping[str, Any]) -> Configuration:
    """Return the configuration in a TOML file with the tables model, optimiser and training.

    Raises ProtocolError if it cannot be read, or for a key or value that is not allowed.

    Args:
        model: name of the model.
        path: of the file.
        changes: values by `section.key`.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProtocolError(f"{path}: no such file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ProtocolError(f"{path}: {error}") from None
    for name, table in tables.items():
        if name not in SECTIONS:
            raise ProtocolError(f"{path}: no table {name!r}; {nearest(name, list(SECTIONS))}")
        if not isinstance(table, dict):
            raise ProtocolError(f"{path}: {name} is {table!r}; use a table, [{name}]")
    return _configuration(model, tables, changes, str(path))


def of_winner(
    model: str, dataset: str, folder: Path, budget: float | None, block: int, changes: Mapping[str, Any]
) -> Configuration:
    """Return the configuration of a block's winner, with the seed of its first final run.

    Raises RunError if the folder has no such winner.

    Args:
        model: name of the model.
        dataset: name of the data set.
        folder: results folder.
        budget: training MFLOP per example; None: the only one.
        block: which of the independent searches.
        changes: values by `section.key`.
    """
    protocol = of_folder(folder)
    path = store.record_file(folder, dataset, model)
    records = store.read_file(path) if path.is_file() else []
    if not records:
        raise RunError(f"{folder}: no records of {model} on {dataset}; see `wukong-bench status {folder}`")
    budgets = sorted({record.budget for record in records})
    listed = ", ".join(f"{value:g}" for value in budgets)
    if budget is None and len(budgets) > 1:
        raise RunError(f"{folder}: {model} has several budgets; choose one with --budget: {listed}")
    chosen = budgets[0] if budget is None else budget
    if chosen not in budgets:
        raise RunError(f"{folder}: {model} has no budget {chosen:g}; it has {listed}")
    own = [record for record in records if record.budget == chosen]
    blocks = sorted({record.block for record in own})
    if block not in blocks:
        raise RunError(f"{folder}: {model} has no block {block} at {chosen:g}; it has {', '.join(map(str, blocks))}")
    own = [record for record in own if record.block == block]
    best = winner(own, protocol)
    final = [r for r in of_kind(own, "final") if best and r.trial == best.trial and r.status == "complete"]
    if best is None or not final:
        raise RunError(f"{folder}: {dataset}/{model}/{chosen:g} block {block} has no finished winner")
    tables = {"model": best.config, "optimiser": best.optimiser, "training": protocol.training.model_dump(mode="json")}
    origin = f"winner of {folder.name}, {best.study} block {block}, trial {best.trial}"
    configuration = _configuration(model, tables, changes, origin)
    return replace(configuration, seed=final[0].seed, fingerprint=best.data_fingerprint, budget=best.budget)


def _configuration(
    model: str,
    tables: Mapping[str, Mapping[str, Any]],
    changes: Mapping[str, Any],
    origin: str,
) -> Configuration:
    values: dict[str, dict[str, Any]] = {name: dict(tables.get(name, {})) for name in SECTIONS}
    for key, value in changes.items():
        section, _, name = key.partition(".")
        if section not in SECTIONS or not name:
            raise ProtocolError(f"--set {key}: {nearest(section, list(SECTIONS))}, as in --set training.epochs=4")
        values[section][name] = value
    training = _validated(Training, values["training"], origin, "training")
    optimiser = {"clip_norm": training.clip_norm, **values["optimiser"]}
    config = _validated(models.load(model).Config, values["model"], origin, "model")
    return Configuration(config, _validated(Optimiser, optimiser, origin, "optimiser"), training, 0, origin)


def _validated(kind: type[Kind], values: Mapping[str, Any], origin: str, section: str) -> Kind:
    """Return the values as a model; numbers are not read from texts. Raises ProtocolError naming the first wrong key."""
    try:
        return kind.model_validate_json(json.dumps(values, allow_nan=False), strict=True)
    except (TypeError, ValueError) as error:
        if not isinstance(error, ValidationError):  # a date, or a number that is not finite
            raise ProtocolError(f"{origin}: [{section}] {error}") from None
        # an unknown key is more often a misspelling of the missing one than one of two faults
        problem = min(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    key = ".".join([section, *map(str, problem["loc"])])
    if problem["type"] == "extra_forbidden":
        raise ProtocolError(f"{origin}: no key {key!r}; {nearest(str(problem['loc'][-1]), list(kind.model_fields))}")
    if problem["type"] == "missing":
        raise ProtocolError(f"{origin}: {key} is missing; give it in [{section}] or with --set {key}=VALUE")
    message = problem["msg"].removeprefix("Value error, ")
    given = (
        "" if problem["type"] == "value_error" else f"{json.dumps(problem['input'], default=str)[:40]} is not allowed; "
    )
    raise ProtocolError(f"{origin}: {key}: {given}{message[0].lower()}{message[1:]}")
