"""The user's own files among the names on a command line, which are the only way in which one is ever run."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import datamodules
import models
from benchmark.execution.own import Own
from benchmark.output import Screen

if TYPE_CHECKING:
    from datamodules.own.module import Declared

MODEL_FILE = re.compile(r"(?P<path>.*\.py)(:(?P<variant>[^:/]+))?")  # ./my.py, and ./my.py:thin for its variant `thin`


def named_models(text: str | None, datasets: "Iterable[Declared]" = ()) -> tuple[list[str] | None, Own]:
    """Return the models that a command line names, None if none, and the user's files, which are added.

    Raises UnknownModel or UnknownDataset.

    Args:
        text: names and files, separated by commas.
        datasets: in files of the user's, to be added, too.
    """
    if text is None:
        warn_of_ignored()
        return None, Own.read((), datasets)
    return _named(text.split(","), datasets)


def named_model(text: str) -> str:
    """Return the model that a command line names; if that is a file of the user's, it is added. Raises UnknownModel."""
    return _named([text])[0][0]


def _named(parts: list[str], datasets: "Iterable[Declared]" = ()) -> tuple[list[str], Own]:
    warn_of_ignored()
    names, paths = [], []
    for part in parts:
        if match := MODEL_FILE.fullmatch(part):
            paths.append(Path(match["path"]).expanduser())
            names.append(paths[-1].stem + (f".{match['variant']}" if match["variant"] else ""))
        else:
            names.append(part)
    return names, Own.read(paths, datasets)


def warn_of_ignored() -> None:
    """Print a line on standard error for each model and data set of an installed package that is not used."""
    for line in (*models.ignored(), *datamodules.ignored()):
        Screen(stderr=True).print(f"warning: {line}", soft_wrap=True)
