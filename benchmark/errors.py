"""Errors that the user can fix; each message is one line that says how."""

import difflib
import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FIXABLE = {
    errno.ENOSPC: "disk full",
    errno.EDQUOT: "disk quota exceeded",
    errno.EROFS: "read-only file system",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENOTDIR: "not a folder",
}


class RunError(RuntimeError):
    """The run cannot start or continue; the message says what to do."""


class ProtocolError(ValueError):
    """The protocol cannot be found, read or parsed; the message names the key and the allowed values."""


class RecordError(ValueError):
    """A results folder or a record in it is invalid; the message names the file and line."""


class CheckError(ValueError):
    """A model fails checks; the message names them and says what is wrong."""


def nearest(name: str, allowed: list[str]) -> str:
    """Return a hint at the allowed name closest to `name`, if any, and all allowed names."""
    closest = difflib.get_close_matches(name, allowed, n=1)
    hint = f"did you mean {closest[0]!r}? " if closest else ""
    return f"{hint}known: {', '.join(allowed) or 'none'}"


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn errors of disk or folder while the file `path` is written into RunError; re-raise any other OSError."""
    try:
        yield
    except OSError as error:
        if error.errno not in FIXABLE:
            raise
        place = f"{path.parent}{free_space(path.parent)}"
        raise RunError(f"{FIXABLE[error.errno]} at {place}; fix this and rerun the command to resume") from None


def free_space(path: Path) -> str:
    """Return the free space on the file system of `path` as text; empty if it cannot be determined."""
    try:
        return f" ({shutil.disk_usage(path).free / 1e6:.1f} MB free)"
    except OSError:
        return ""
