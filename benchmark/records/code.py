"""Identity of the code that determines a study's numbers; comments, docstrings and error messages do not count.

Each part is a hash of its files' syntax trees. A declared version would depend on someone remembering to raise it. The
hash also changes when code is rewritten without effect. Names of this suite's own modules in import statements are left
out, so files may move.
"""

import ast
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import datamodules
import models
from benchmark.records.record import Record

ROOT = Path(__file__).parents[2]
OWN = ("benchmark", "models", "datamodules")
PACKAGES = ("torch", "lightning", "torchmetrics", "optuna", "numpy", "polars")
PARTS = {  # determine the numbers of every study
    "training": ("benchmark/training/*.py",),
    "search": ("benchmark/tuning/*.py", "benchmark/study.py"),
    "budget": ("benchmark/budget.py", "benchmark/protocol/numbers.py"),
    "layers": ("models/base/*.py",),
    "batches": ("datamodules/base/batches.py", "datamodules/base/module.py"),
}


def of_everything() -> dict[str, str]:
    """Return what all studies share: a hash for each of PARTS and the version of each of PACKAGES."""
    shared = {part: _hash([_meaning(path) for path in _files(*globs)]) for part, globs in PARTS.items()}
    return shared | {name: version(name) for name in PACKAGES}


def of_model(name: str) -> str:
    """Return the hash of a model's files, of its published recipes and, for a variant, of the fields that it fixes.

    Raises UnknownModel.
    """
    base = name.partition(".")[0]
    fixed = models.variants(base)[name]._asdict() if base != name else {}
    sources = [meaning(text) for text in models.texts(base)]
    return _hash([*sources, json.dumps([fixed, models.recipes(base)], sort_keys=True)])


def of_dataset(name: str) -> str:
    """Return the hash of a data set's file, of what it shares with its kin and of its name, which identifies a variant."""
    return _hash([name, *map(_meaning, datamodules.files(name))])


def of_readers() -> str:
    """Return the hash of the code that reads and encodes data sets."""
    return _hash([_meaning(path) for path in _files("datamodules/base/*.py")])


def marked(record: Record) -> Record:
    """Return the record with the SHA-256 of its model's file, if the model is not shipped and no other process added it."""
    digest = record.model_sha256 or models.sha256(record.model)
    return record.model_copy(update={"model_sha256": digest}) if digest else record


@cache
def meaning(source: str) -> str:
    """Return a Python source reduced to what can affect numbers, as text to compare or hash."""
    try:
        return json.dumps(_plain(ast.parse(source)))
    except SyntaxError:  # a template in an installed package, for one
        return source


def _meaning(path: Path) -> str:
    return meaning(path.read_text(encoding="utf-8", errors="replace"))


def _files(*globs: str) -> Iterator[Path]:
    for pattern in globs:
        yield from sorted(ROOT.glob(pattern))


def _hash(parts: list[str]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def _plain(node: Any) -> Any:
    """Return a syntax tree as nested lists without empty fields, since newer Python versions add more of them."""
    if isinstance(node, list):
        return [_plain(child) for child in node]
    if not isinstance(node, ast.AST):
        return node if isinstance(node, str | int | float | bool | None) else repr(node)
    fields = {name: value for name, value in ast.iter_fields(node) if value not in (None, [])}
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
        fields["body"] = fields["body"][1:]
    if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in OWN:
        fields.pop("module")
    if isinstance(node, ast.Call) and _is_message(node.func):
        fields = {"func": node.func}
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        fields = {"exc": node.exc.func}
    return [type(node).__name__, {name: _plain(value) for name, value in fields.items()}]


def _is_message(function: ast.expr) -> bool:
    """Return whether a call only creates an error or issues a warning, whose text affects no number."""
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name.endswith("Error") or name == "warn"
