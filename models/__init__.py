"""CTR ranking models, one paper a file: every module of this folder is a model, known by its file's name."""

import ast
import difflib
import sys
import tomllib
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.base import Config, CTRModel


class UnknownModel(ValueError):
    """No model of that name; the message suggests the nearest and lists all."""


def names() -> list[str]:
    """Names of all models, sorted. Imports none of them."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def title(name: str) -> str:
    """The model's name in its paper, the first words of its file. Imports nothing."""
    return summary(name).partition(":")[0]


def summary(name: str) -> str:
    """First line of the model's docstring: title, idea and source. Imports nothing."""
    source = (Path(__file__).parent / f"{_known(name)}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or name).partition("\n")[0]


def load(name: str) -> "type[CTRModel]":
    """The model class of that name; raises UnknownModel."""
    return _model_in(import_module(f"models.{_known(name)}"))


def presets(name: str) -> "dict[str, Config]":
    """The model's published configurations by name, from the .toml file beside it; none without one."""
    file = Path(__file__).parent / f"{_known(name)}.toml"
    if not file.exists():
        return {}
    config = load(name).Config
    return {key: config.model_validate(value) for key, value in tomllib.loads(file.read_text("utf-8")).items()}


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


def _known(name: str) -> str:
    if name in names():
        return name
    near = difflib.get_close_matches(name, names(), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UnknownModel(f"no model {name!r}; {hint}({', '.join(names())})")
