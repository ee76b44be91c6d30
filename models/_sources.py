"""Where the source of a model is: in this folder, in a file that the user named, or in an installed package."""

import hashlib
import re
from dataclasses import dataclass, field
from importlib.util import decode_source
from pathlib import Path

FOLDER = Path(__file__).parent
NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Source:
    """A shipped model: a module of this folder."""

    name: str
    path: Path
    module: str  # what it is imported as

    def text(self) -> str:
        """Return the source of the model's file."""
        return decode_source(self.path.read_bytes())

    def toml(self) -> str:
        """Return the text of the .toml file beside it; empty without one."""
        file = self.path.with_suffix(".toml")
        return file.read_text(encoding="utf-8") if file.is_file() else ""

    def helpers(self) -> list[str]:
        """Return the sources of further files that the model's numbers may depend on."""
        return [path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob(f"_{self.name}_*.py"))]

    def sha256(self) -> str | None:
        """Return the SHA-256 of the model's file; None if a commit of the suite identifies it."""
        return None


@dataclass(frozen=True)
class File(Source):
    """A model in a file of the user's, as the file was when it was read: all processes of a command run the same code."""

    content: bytes = field(repr=False)
    tables: str = field(repr=False)  # of the .toml file

    def text(self) -> str:
        """Return the source of the model's file."""
        return decode_source(self.content)

    def toml(self) -> str:
        """Return the text of the .toml file beside it; empty without one."""
        return self.tables

    def helpers(self) -> list[str]:
        """Return nothing: a file of the user's stands alone."""
        return []

    def sha256(self) -> str:
        """Return the SHA-256 of the file."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Installed(Source):
    """A model of an installed package, which names the module in an entry point."""

    def helpers(self) -> list[str]:
        """Return the sources of the other files of the module's package and of the packages in it."""
        if "." not in self.module and self.path.name != "__init__.py":
            return []  # it stands among the modules of other packages
        others = sorted(path for path in self.path.parent.rglob("*.py") if path != self.path)
        return [path.read_text(encoding="utf-8", errors="replace") for path in others]

    def sha256(self) -> str:
        """Return the SHA-256 of the model's file."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def shipped(name: str) -> Source | None:
    """Return the shipped model of that name."""
    path = FOLDER / f"{name}.py"
    return Source(name, path, f"models.{name}") if NAME.fullmatch(name) and path.is_file() else None
