"""The user's own files that a command was given, and how every process that trains comes to know them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import models
from benchmark.records import code
from benchmark.records.record import Record
from benchmark.study import Study
from models import File as ModelFile


@dataclass(frozen=True)
class Own:
    """The user's own files as the command read them; a later change of a file does not reach a run.

    A process that receives this from another one adds the files before it reads the rest of what it was sent. So the workers
    of a run, the tasks of a cluster and the processes that train one model together know them, and none reads a file.
    """

    models: tuple[ModelFile, ...] = ()

    @classmethod
    def read(cls, model_files: Iterable[Path]) -> Self:
        """Read files and add them to this process. Raises UnknownModel."""
        own = cls(tuple(dict.fromkeys(map(models.read_file, model_files))))
        own.add()
        return own

    def add(self) -> None:
        """Add the files to this process. Raises UnknownModel."""
        for file in self.models:
            models.add(file)

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
