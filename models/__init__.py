"""CTR ranking models, one paper per file: every module of this folder is a model, named after its file.

The .toml file beside a model holds its published configurations (presets) and its variants: `wukong.no_lcb` is Wukong with
the fields of `[variants.no_lcb]` held fixed in every configuration. A variant is tuned, recorded and reported as a model of
its own. `[recipes.<data set>]` holds what was published as best there, in the terms of the search space: slot 1 of a study.
"""

import ast
import difflib
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from models.base import Config, CTRModel


RECIPE_OF_OTHERS = "criteo_x1"  # the largest set that most recipes were published for


class UnknownModel(ValueError):
    """There is no model of that name; the message suggests the nearest name and lists all."""


def names() -> list[str]:
    """Return the names of all models, sorted, without importing them."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


class Variant(NamedTuple):
    """A model with some fields of its configuration, or some training aids of the protocol's space, held fixed."""

    title: str
    fields: dict[str, Any]
    aids: dict[str, Any]  # by parameter of the search, `normalisation` for one


def variants(name: str) -> dict[str, Variant]:
    """Return a model's variants by full name (`wukong.no_lcb`), without importing the model."""
    tables = _toml(name).get("variants", {})
    return {
        f"{name}.{key}": Variant(table.pop("title"), aids=table.pop("aids", {}), fields=table)
        for key, table in tables.items()
    }


def held_aids(name: str) -> dict[str, Any]:
    """Return the training aids that a variant holds fixed; none for a model itself. Imports nothing."""
    base = _checked(name).partition(".")[0]
    return variants(base)[name].aids if base != name else {}


def known(name: str) -> bool:
    """Return whether `name` is a model or a variant."""
    base = name.partition(".")[0]
    return base in names() and (base == name or name in variants(base))


def title(name: str) -> str:
    """Return the model's name in its paper, or its variant's title, without importing the model."""
    return summary(name).partition(":")[0]


@cache  # a protocol asks for every model that it names
def summary(name: str) -> str:
    """Return the first line of the model's docstring, or its variant's title and fields, without importing the model."""
    base = _checked(name).partition(".")[0]
    if base != name:
        variant = variants(base)[name]
        held = variant.fields | variant.aids
        return f"{variant.title}: {', '.join(f'{key} {value}' for key, value in held.items())}"
    source = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or name).partition("\n")[0]


def load(name: str) -> "type[CTRModel]":
    """Return the model class of that name. Raises UnknownModel."""
    base = _checked(name).partition(".")[0]
    model = _model_in(import_module(f"models.{base}"))
    if base == name:
        return model
    return type(model.__name__, (model,), {"Config": model.Config.holding(variants(base)[name].fields)})


def preset_fields(name: str) -> dict[str, dict[str, Any]]:
    """Return the fields of each published configuration as the .toml file states them, without importing the model.

    Empty for a variant and for a model without a .toml file. Raises UnknownModel.
    """
    return {key: fields for key, fields in _toml(_checked(name)).items() if key not in ("variants", "recipes")}


def presets(name: str) -> "dict[str, Config]":
    """Return the model's published configurations by name. Raises UnknownModel."""
    config = load(name).Config
    return {key: config.model_validate(fields) for key, fields in preset_fields(name).items()}


def recipe(name: str, dataset: str) -> dict[str, Any]:
    """Return a model's published recipe: parameters of its search space and of the training aids. Imports nothing.

    Args:
        name: of the model or of one of its variants.
        dataset: whose recipe; a data set without one gets that of RECIPE_OF_OTHERS. Empty if the model has none.
    """
    published = recipes(_checked(name).partition(".")[0])
    return published.get(dataset) or published.get(RECIPE_OF_OTHERS, {})


def recipes(name: str) -> dict[str, dict[str, Any]]:
    """Return all published recipes of a model by data set. Imports nothing."""
    return _toml(name).get("recipes", {})


def load_file(path: Path) -> "type[CTRModel]":
    """Run a file outside this folder and return the model class it defines.

    Raises UnknownModel if there is no such file, or if it fails or does not define one model.
    """
    if not path.is_file():
        raise UnknownModel(f"{path}: no such file")
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None  # noqa: S101 (a .py file has both)
    module = module_from_spec(spec)
    sys.modules[path.stem] = module  # pydantic looks up annotations there
    try:
        spec.loader.exec_module(module)
        return _model_in(module)
    except Exception as error:  # whatever the file raises
        lines = [frame.lineno for frame in extract_tb(error.__traceback__) if Path(frame.filename) == path]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        place = f"{path}, line {line}" if line else str(path)
        raise UnknownModel(f"{place}: {type(error).__name__}: {error}") from error


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return `did you mean 'mlp'? ` for the allowed name nearest to `name`, or an empty string if none is near."""
    matches = difflib.get_close_matches(name, list(allowed), n=1)
    return f"did you mean {matches[0]!r}? " if matches else ""


def _model_in(module: ModuleType) -> "type[CTRModel]":
    from models.base import CTRModel

    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, CTRModel) and value.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise TypeError(f"{module.__name__}.py must define one CTRModel; it defines {len(classes)}")
    return classes[0]


def _toml(name: str) -> dict[str, Any]:
    """Return the tables of the model's .toml file, empty without one."""
    file = Path(__file__).parent / f"{name}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8")) if name in names() and file.exists() else {}


def _checked(name: str) -> str:
    """Return `name`; raise UnknownModel if it is neither a model nor a variant."""
    if known(name):
        return name
    base = name.partition(".")[0]
    allowed = [*variants(base)] if base in names() else names()
    choices = ", ".join(allowed) or f"{base} has no variants"
    raise UnknownModel(f"no model {name!r}; {nearest(name, allowed)}({choices})")
