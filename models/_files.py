"""Model files of the user's: read once, and run from the text that was read."""

import sys
from importlib.abc import ExecutionLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import TYPE_CHECKING

from models._installed import installed
from models._sources import NAME, File, shipped

if TYPE_CHECKING:
    from models.base import CTRModel


class UnknownModel(ValueError):
    """There is no model of that name; the message suggests the nearest name and lists all."""


def read_file(path: Path) -> File:
    """Return a model file of the user's, named after its stem, without running it.

    Raises UnknownModel if there is no such file, or if its name cannot be that of a model.
    """
    name = path.stem
    if not path.is_file():
        raise UnknownModel(f"{path}: {'a folder, not a file' if path.is_dir() else 'no such file'}")
    if not NAME.fullmatch(name) or path.suffix != ".py":
        raise UnknownModel(
            f"{path}: a model's file is named <model>.py, with lower-case letters, digits and '_' after a first letter"
        )
    if shipped(name) or name in installed():
        raise UnknownModel(
            f"{path}: there is {'a shipped' if shipped(name) else 'an installed'} model {name!r}; rename it"
        )
    tables = path.with_suffix(".toml")
    beside = tables.read_text(encoding="utf-8") if tables.is_file() else ""
    return File(name, path.absolute(), f"models.file.{name}", path.read_bytes(), beside)


def load_file(file: File) -> "type[CTRModel]":
    """Run a model file of the user's and return the model class it defines.

    Raises UnknownModel if it fails or does not define one model.
    """
    spec = spec_from_loader(file.module, _Loader(file))
    assert spec is not None  # noqa: S101 (there is a loader)
    module = module_from_spec(spec)
    sys.modules[file.module] = module  # pydantic looks up annotations there, and pickle the model's config
    try:
        _Loader(file).exec_module(module)
        return model_in(module)
    except (Exception, SystemExit) as error:  # whatever the file raises
        lines = [frame.lineno for frame in extract_tb(error.__traceback__) if Path(frame.filename) == file.path]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        place = f"{file.path}, line {line}" if line else str(file.path)
        raise UnknownModel(f"{place}: {type(error).__name__}: {error}") from error


def model_in(module: ModuleType) -> "type[CTRModel]":
    """Return the one model class that a module defines. Raises TypeError if it defines none or several."""
    from models.base import CTRModel

    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, CTRModel) and value.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise TypeError(f"a model's file must define one CTRModel; this one defines {len(classes)}")
    return classes[0]


class _Loader(ExecutionLoader):
    """Runs a file of the user's from the text that was read."""

    def __init__(self, file: File):
        self.file = file

    def get_filename(self, fullname: str) -> str:
        """Return the path that tracebacks name."""
        return str(self.file.path)

    def get_source(self, fullname: str) -> str:
        """Return the text that was read."""
        return self.file.text()
