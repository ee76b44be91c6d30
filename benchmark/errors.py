"""Which errors the user can mend, and the one line that says how."""

import errno
import shutil
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


def disk_error(error: OSError, path: Path) -> RunError | None:
    """What a failed write at `path` means to the user; None if it is no fault of disk or folder."""
    if error.errno not in MENDABLE:
        return None
    return RunError(f"{MENDABLE[error.errno]} at {path}{free_space(path)}; mend that and repeat the command to go on")


def free_space(path: Path) -> str:
    """How much room the file system of `path` has left; empty where it cannot be told."""
    try:
        return f" ({shutil.disk_usage(path).free / 1e6:.1f} MB free)"
    except OSError:
        return ""
