"""CTR ranking models, one paper per file: every module of this folder is a model, named after its file.

The .toml file beside a model holds its published configurations (presets) and its variants: `wukong.no_lcb` is Wukong with
the fields of `[variants.no_lcb]` held fixed in every configuration. A variant is tuned, recorded and reported as a model of
its own. `[recipes.<data set>]` holds what was published as best there, in the terms of the search space: slot 1 of a study.

A model may also be in a file of the user's, which `add` makes known to this process, or in an installed package, which names
its module in an entry point of the group `wukong_bench.models`. A .toml file beside either means the same.
"""

import ast
import difflib
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from models._files import UnknownModel as UnknownModel
from models._files import load_file as load_file
from models._files import model_in
from models._files import read_file as read_file
from models._installed import ignored as ignored
from models._installed import installed
from models._sources import FOLDER, NAME, Source, shipped
from models._sources import File as File

if TYPE_CHECKING:
    from models.base import Config, CTRModel


RECIPE_OF_OTHERS = "criteo_x1"  # the largest set that most recipes were published for


def names() -> list[str]:
    """Return the names of all models, sorted, without importing them."""
    return sorted({*(path.stem for path in FOLDER.glob("[!_]*.py")), *_added, *installed()})


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
    return _source(base) is not None and (base == name or name in variants(base))


def title(name: str) -> str:
    """Return the model's name in its paper, or its variant's title, without importing the model."""
    return summary(name).partition(":")[0]


def summary(name: str) -> str:
    """Return the first line of the model's docstring, or its variant's title and fields, without importing the model."""
    base = _checked(name).partition(".")[0]
    if base != name:
        variant = variants(base)[name]
        held = variant.fields | variant.aids
        return f"{variant.title}: {', '.join(f'{key} {value}' for key, value in held.items())}"
    return _first_line(_known(name)) or name


@cache  # a protocol asks for every model that it names
def _first_line(source: Source) -> str:
    try:
        return (ast.get_docstring(ast.parse(source.text())) or "").partition("\n")[0]
    except SyntaxError:  # whoever loads it is told
        return ""


def texts(name: str) -> list[str]:
    """Return the sources that a model's numbers depend on, its own file's first. Raises UnknownModel."""
    source = _known(name)
    return [source.text(), *source.helpers()]


def sha256(name: str) -> str | None:
    """Return the SHA-256 of the file of a model that is not shipped; None for a shipped model. Raises UnknownModel."""
    return _known(name).sha256()


def load(name: str) -> "type[CTRModel]":
    """Return the model class of that name. Raises UnknownModel."""
    base, source = name.partition(".")[0], _known(name)
    try:
        model = model_in(import_module(source.module))
    except Exception as error:
        if source.sha256() is None:
            raise  # a fault of the suite
        raise UnknownModel(f"model {base!r} in {source.module}: {type(error).__name__}: {error}") from error
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


def add(file: File) -> None:
    """Run a model file of the user's and make its model known to this process. Does nothing if it is known already.

    Raises UnknownModel if the file fails or does not define one model, if its .toml file has a fault, or if another file of the
    same name was added.
    """
    earlier = _added.get(file.name)
    if earlier == file:
        return
    if earlier and earlier.path.resolve() != file.path.resolve():
        raise UnknownModel(f"two files for the model {file.name!r}: {earlier.path} and {file.path}; rename one")
    load_file(file)
    _added[file.name] = file
    try:
        for name in variants(file.name):
            load(name)
        for tables in (preset_fields(file.name), recipes(file.name)):
            any(dict(fields) for fields in tables.values())  # each is a table
    except Exception as error:  # whatever a .toml file may hold
        del _added[file.name]
        raise UnknownModel(f"{file.path.with_suffix('.toml')}: {type(error).__name__}: {error}") from error


def spelling(name: str) -> str:
    """Return how a command names a model: an unknown `nfm.thin`, which may be in a file of the user's, as `./nfm.py:thin`."""
    base, _, variant = name.partition(".")
    return name if known(name) else f"./{base}.py{variant and f':{variant}'}"


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return `did you mean 'mlp'? ` for the allowed name nearest to `name`, or an empty string if none is near."""
    matches = difflib.get_close_matches(name, list(allowed), n=1)
    return f"did you mean {matches[0]!r}? " if matches else ""


_added: dict[str, File] = {}  # that the user named, by the model's name


def _source(name: str) -> Source | None:
    """Return where the source of a model is; None if there is no model of that name."""
    return shipped(name) or _added.get(name) or installed().get(name)


def _toml(name: str) -> dict[str, Any]:
    """Return the tables of the model's .toml file, empty without one."""
    source = _source(name)
    return tomllib.loads(source.toml()) if source else {}


def _checked(name: str) -> str:
    """Return `name`; raise UnknownModel if it is neither a model nor a variant."""
    if known(name):
        return name
    base = name.partition(".")[0]
    if _source(base):
        allowed = [*variants(base)]
        raise UnknownModel(
            f"no model {name!r}; {nearest(name, allowed)}({', '.join(allowed) or f'{base} has no variants'})"
        )
    hint = f"; a file of yours is named by its path: --models {spelling(name)}" if NAME.fullmatch(base) else ""
    raise UnknownModel(f"no model {name!r}; {nearest(name, names())}({', '.join(names())}){hint}")


def _known(name: str) -> Source:
    """Return where the source of a model or of a variant's model is. Raises UnknownModel."""
    source = _source(_checked(name).partition(".")[0])
    assert source is not None  # noqa: S101 (checked)
    return source
