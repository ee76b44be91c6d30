"""Data sets, one a file: every module of this folder is a data set, known by its file's name.

A name may carry variants behind dots: `frappe.bars` is Frappe under the rule set `bars`, `taobaoad_x1.bars_split` is
TaobaoAd_x1 validated on its test part, as BARS does. Results bear the whole name.
"""

import ast
import difflib
import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datamodules.base import CTRDataModule


VARIANTS = {"bars": ("encoding", "bars"), "clean": ("encoding", "clean"), "bars_split": ("split", "bars")}


class UnknownDataset(ValueError):
    """No data set of that name; the message suggests the nearest and lists all."""


def names() -> list[str]:
    """Names of all data sets, sorted. Imports none of them."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def title(name: str) -> str:
    """The data set's name, the first words of its file, with its variants. Imports nothing."""
    return ", ".join([summary(name).partition(":")[0], *name.split(".")[1:]])


def summary(name: str) -> str:
    """First line of the data set's docstring. Imports nothing."""
    base = _known(name).partition(".")[0]
    source = (Path(__file__).parent / f"{base}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or name).partition("\n")[0]


def load(name: str) -> "type[CTRDataModule]":
    """The data module class of that name; raises UnknownDataset."""
    base, *variants = _known(name).split(".")
    module = import_module(f"datamodules.{base}")
    from datamodules.base import CTRDataModule

    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, CTRDataModule) and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise TypeError(f"datamodules/{base}.py must define one CTRDataModule; it defines {len(found)}")
    changes = dict(VARIANTS[variant] for variant in variants)
    if changes.get("split", "own") not in ("own", *found[0].splits):
        raise UnknownDataset(f"no data set {name!r}; {base} has a validation part of its own")
    return type(found[0].__name__, (found[0],), changes) if changes else found[0]


def cache_root() -> Path:
    """Return the folder of encoded data: $WUKONG_BENCH_CACHE, or wukong-bench in the user's cache folder."""
    if chosen := os.environ.get("WUKONG_BENCH_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wukong-bench"


def _known(name: str) -> str:
    base, *variants = name.split(".")
    if base not in names():
        near = difflib.get_close_matches(base, names(), n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UnknownDataset(f"no data set {name!r}; {hint}({', '.join(names())})")
    for variant in variants:
        if variant not in VARIANTS:
            near = difflib.get_close_matches(variant, VARIANTS, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UnknownDataset(f"no variant {variant!r} of {base}; {hint}({', '.join(VARIANTS)})")
    return name
