"""CTR ranking models, one paper a file: every module of this folder is a model, known by its file's name.

The .toml file beside a model holds its published configurations (presets) and its variants: `wukong.no_lcb` is Wukong with
the fields of `[variants.no_lcb]` held in every configuration. A variant is tuned, recorded and reported as a model of its own.
"""

import ast
import difflib
import sys
import tomllib
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from models.base import Config, CTRModel


class UnknownModel(ValueError):
    """No model of that name; the message suggests the nearest and lists all."""


def names() -> list[str]:
    """Names of all models, sorted. Imports none of them."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


class Variant(NamedTuple):
    """A model with some fields of its configuration held."""

    title: str
    fields: dict[str, Any]


def variants(name: str) -> dict[str, Variant]:
    """A model's variants by name, `wukong.no_lcb` for one, from the .toml file beside it. Imports nothing."""
    tables = _beside(name).get("variants", {})
    return {f"{name}.{key}": Variant(table.pop("title"), table) for key, table in tables.items()}


def known(name: str) -> bool:
    """Whether there is a model or a variant of that name."""
    base = name.partition(".")[0]
    return base in names() and (base == name or name in variants(base))


def title(name: str) -> str:
    """The model's name in its paper, the first words of its file, or its variant's title. Imports nothing."""
    return summary(name).partition(":")[0]


def summary(name: str) -> str:
    """First line of the model's docstring: title, idea and source; a variant's title and fields. Imports nothing."""
    base = _known(name).partition(".")[0]
    if base != name:
        variant = variants(base)[name]
        return f"{variant.title}: {', '.join(f'{key} {value}' for key, value in variant.fields.items())}"
    source = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or name).partition("\n")[0]


def load(name: str) -> "type[CTRModel]":
    """The model class of that name; raises UnknownModel."""
    base = _known(name).partition(".")[0]
    model = _model_in(import_module(f"models.{base}"))
    if base == name:
        return model
    return type(model.__name__, (model,), {"Config": model.Config.holding(variants(base)[name].fields)})


def presets(name: str) -> "dict[str, Config]":
    """The model's published configurations by name; none without a .toml file beside it."""
    config = load(name).Config
    return {key: config.model_validate(value) for key, value in _beside(name).items() if key != "variants"}


def load_file(path: Path) -> "type[CTRModel]":
    """The model class in a file outside this folder, which is run; raises UnknownModel if there is no such file."""
    if not path.is_file():
        raise UnknownModel(f"{path}: no such file")
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None  # noqa: S101 (a .py file has both)
    module = module_from_spec(spec)
    sys.modules[path.stem] = module  # pydantic looks annotations up there
    spec.loader.exec_module(module)
    return _model_in(module)


def _model_in(module: ModuleType) -> "type[CTRModel]":
    from models.base import CTRModel

    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, CTRModel) and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise TypeError(f"{module.__name__}.py must define one CTRModel; it defines {len(found)}")
    return found[0]


def _beside(name: str) -> dict[str, Any]:
    file = Path(__file__).parent / f"{name}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8")) if name in names() and file.exists() else {}


def _known(name: str) -> str:
    if known(name):
        return name
    base = name.partition(".")[0]
    allowed = [*variants(base)] if base in names() else names()
    near = difflib.get_close_matches(name, allowed, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UnknownModel(f"no model {name!r}; {hint}({', '.join(allowed) or f'{base} has no variants'})")
