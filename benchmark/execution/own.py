"""The user's own files that a command was given, and how every process that trains comes to know them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import datamodules
import models
from benchmark.records import code
from benchmark.records.record import Record
from benchmark.study import Study
from models import File as ModelFile

if TYPE_CHECKING:
    from datamodules.own.module import Declared


@dataclass(frozen=True)
class Own:
    """The user's own files as the command read them; a later change of a file does not reach a run.

    A process that receives this from another one adds the files before it reads the rest of what it was sent. So the workers
    of a run, the tasks of a cluster and the processes that train one model together know them, and none reads a file.
    """

    models: tuple[ModelFile, ...] = ()
    datasets: "tuple[Declared, ...]" = ()

    @classmethod
    def read(cls, model_files: Iterable[Path], datasets: "Iterable[Declared]" = ()) -> Self:
        """Read model files, add them and data sets to this process. Raises UnknownModel or UnknownDataset.

        Args:
            model_files: Python files, each with a model.
            datasets: in files of the user's.
        """
        own = cls(tuple(dict.fromkeys(map(models.read_file, model_files))), tuple(datasets))
        own.add()
        return own

    def add(self) -> None:
        """Add models and data sets to this process. Raises UnknownModel or UnknownDataset."""
        for file in self.models:
            models.add(file)
        for declared in self.datasets:
            datamodules.add(declared)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.add()


@dataclass(frozen=True)
class OwnStudy(Study):
    """A study whose model may be in a file of the user's or in an installed package; its records hold the file's SHA-256.

    It is a class of its own because `Study` is part of the code that every folder's records were made with.
    """

    own: Own = Own()

    def keep(self, record: Record) -> None:
        """Append a record."""
        super().keep(code.marked(record))
