"""Data sets, one a file: every module of this folder is a data set, known by its file's name."""

import ast
import difflib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datamodules.base import CTRDataModule


class UnknownDataset(ValueError):
    """No data set of that name; the message suggests the nearest and lists all."""


def names() -> list[str]:
    """Names of all data sets, sorted. Imports none of them."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def title(name: str) -> str:
    """The data set's name, the first words of its file. Imports nothing."""
    return summary(name).partition(":")[0]


def summary(name: str) -> str:
    """First line of the data set's docstring. Imports nothing."""
    source = (Path(__file__).parent / f"{_known(name)}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or name).partition("\n")[0]


def load(name: str) -> "type[CTRDataModule]":
    """The data module class of that name; raises UnknownDataset."""
    module = import_module(f"datamodules.{_known(name)}")
    from datamodules.base import CTRDataModule

    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, CTRDataModule) and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise TypeError(f"datamodules/{name}.py must define one CTRDataModule; it defines {len(found)}")
    return found[0]


def _known(name: str) -> str:
    if name in names():
        return name
    near = difflib.get_close_matches(name, names(), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UnknownDataset(f"no data set {name!r}; {hint}({', '.join(names())})")
