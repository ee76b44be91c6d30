"""Data sets, one per file: every module in this folder is a data set named after its file.

Dots append variants to a name: `frappe.bars` is Frappe under the rule set `bars`, `taobaoad_x1.bars_split` is TaobaoAd_x1
validated on its test part, as in BARS; `synthetic.rows_2400000` has that number of train rows: the first ones of a set that
comes as files, and as many as asked for of a generated one. Records carry the full name.

An installed package may add data sets: each is an entry point of the group `wukong_bench.datasets` that names its module.
"""

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datamodules._installed import FOLDER, installed
from datamodules._installed import ignored as ignored
from datamodules._names import nearest
from datamodules._paths import cache_root as cache_root
from datamodules._paths import is_path as is_path

if TYPE_CHECKING:
    from datamodules.base import CTRDataModule
    from datamodules.own.module import Declared


VARIANTS = {"bars": ("encoding", "bars"), "clean": ("encoding", "clean"), "bars_split": ("split", "bars")}
ROWS = re.compile(r"rows_([1-9][0-9]*)")  # the variant that says how many train rows


READERS = ("module", "prepare", "scan", "split")  # in own/, on which the rows of a user's files depend

_added: "dict[str, Declared]" = {}  # data sets in a user's files, by name


class UnknownDataset(ValueError):
    """Unknown data set or variant; the message suggests the nearest name and lists all names."""


def names() -> list[str]:
    """Return the names of all data sets, sorted, without importing them."""
    return sorted({*(path.stem for path in FOLDER.glob("[!_]*.py")), *installed(), *_added})


def add(declared: "Declared") -> str:
    """Make a user's files known to this process as a data set, and return its name.

    Raises UnknownDataset if another data set has that name.
    """
    name = declared.name
    if name in names() and _added.get(name) != declared:
        raise UnknownDataset(
            f"a data set is already named {name!r}; rename the file, folder or .toml that is named so, too"
        )
    _added[name] = declared
    summary.cache_clear()
    return name


def declaration(name: str) -> dict[str, Any] | None:
    """Return what is declared of a user's files, with their paths; None for other data sets."""
    declared = _added.get(_split(name)[0])
    if declared is None:
        return None
    paths = {part: [str(path.resolve()) for path in paths] for part, paths in declared.files.items()}
    return declared.declaration.model_dump(mode="json") | {"files": paths}


def title(name: str) -> str:
    """Return the data set's title from its module docstring, followed by its variants, without importing it."""
    variants = [f"{n:,} train rows" if (n := _rows(variant)) else variant for variant in name.split(".")[1:]]
    return ", ".join([summary(name).partition(":")[0], *variants])


@cache
def summary(name: str) -> str:
    """Return the first line of the data set's module docstring without importing it."""
    if own := _added.get(_split(name)[0]):
        return own.declaration.title
    try:
        return (ast.get_docstring(ast.parse(files(name)[0].read_text(encoding="utf-8"))) or name).partition("\n")[0]
    except SyntaxError:  # whoever loads it is told
        return name


def files(name: str) -> list[Path]:
    """Return the source files that a data set's rows depend on, its own first. Raises UnknownDataset."""
    base = _split(name)[0]
    if base in _added:
        return [FOLDER / "own" / f"{reader}.py" for reader in READERS]
    if base in installed():
        return installed()[base].files()
    kin = FOLDER.glob(f"_{base.partition('_')[0]}*.py")  # synthetic_teacher shares _synthetic.py
    return [FOLDER / f"{base}.py", *sorted(kin)]


def load(name: str) -> "type[CTRDataModule]":
    """Return the data module class of that name. Raises UnknownDataset for a name that does not exist."""
    base, *variants = _split(name)
    dataset = _class_of(base)
    changes: dict[str, Any] = dict(VARIANTS[variant] for variant in variants if variant in VARIANTS)
    for rows in filter(None, map(_rows, variants)):
        if dataset.most_rows and rows > dataset.most_rows:
            raise UnknownDataset(f"no data set {name!r}; {base} has at most {dataset.most_rows:,} train rows")
        changes["first_rows"] = rows
    if changes.get("split", "own") not in ("own", *dataset.splits):
        raise UnknownDataset(f"no data set {name!r}; {base} comes with its own validation part")
    return type(dataset.__name__, (dataset,), changes) if changes else dataset


def _class_of(base: str) -> "type[CTRDataModule]":
    if base in _added:
        from datamodules.own.module import module_class

        return module_class(_added[base])
    own = installed().get(base)
    try:
        module = import_module(own.module if own else f"datamodules.{base}")
    except Exception as error:
        if own is None:
            raise  # a fault of the suite
        raise UnknownDataset(f"data set {base!r} in {own.module}: {type(error).__name__}: {error}") from error
    from datamodules.base import CTRDataModule

    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, CTRDataModule) and value.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise TypeError(f"{module.__name__} must define one CTRDataModule; it defines {len(classes)}")
    return classes[0]


def _split(name: str) -> list[str]:
    """Split a name into data set and variants. Raises UnknownDataset."""
    base, *variants = name.split(".")
    if base not in names():
        known = f"{nearest(base, names())}({', '.join(names())})"
        raise UnknownDataset(f"no data set {name!r}; {known}; name one in files by its path, as in ./{base}.parquet")
    for variant in variants:
        if variant not in VARIANTS and _rows(variant) is None:
            hint = nearest(variant, VARIANTS)
            raise UnknownDataset(f"no variant {variant!r} of {base}; {hint}({', '.join(VARIANTS)}, rows_<number>)")
    if sum(map(bool, map(_rows, variants))) > 1:
        raise UnknownDataset(f"no data set {name!r}; it names more than one number of train rows")
    return [base, *variants]


def of_rows(name: str, rows: int) -> str:
    """Return the name of the data set with that number of train rows."""
    return f"{name}.rows_{rows}"


def _rows(variant: str) -> int | None:
    """Return the number of train rows that a variant asks for; None if it is another variant."""
    match = ROWS.fullmatch(variant)
    return int(match[1]) if match else None
