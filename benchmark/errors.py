"""Which errors the user can mend, and the one line that says how."""

import difflib
import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MENDABLE = {
    errno.ENOSPC: "disk full",
    errno.EDQUOT: "disk quota used up",
    errno.EROFS: "read-only file system",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.ENOTDIR: "not a folder",
}


class RunError(RuntimeError):
    """The run cannot start or go on; the message says what to do."""


class ProtocolError(ValueError):
    """The protocol cannot be found, read or understood; the message says which key and what is allowed."""


class RecordError(ValueError):
    """A results folder or a record in it is invalid; the message names the file and line."""


def nearest(name: str, allowed: list[str]) -> str:
    """Return the allowed names as text, the one most like `name` first."""
    near = difflib.get_close_matches(name, allowed, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}({', '.join(allowed)})"


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Say what a failed write of the file `path` means to the user, where it is a fault of disk or folder, by RunError."""
    try:
        yield
    except OSError as error:
        if error.errno not in MENDABLE:
            raise
        where = f"{path.parent}{free_space(path.parent)}"
        raise RunError(f"{MENDABLE[error.errno]} at {where}; mend that and repeat the command to go on") from None


def free_space(path: Path) -> str:
    """How much room the file system of `path` has left; empty where it cannot be told."""
    try:
        return f" ({shutil.disk_usage(path).free / 1e6:.1f} MB free)"
    except OSError:
        return ""
