"""The encoded cache: one folder per (raw bytes, rules, format), either complete or absent."""

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from datamodules._paths import cache_root
from datamodules.base.errors import DataError

DIGEST = re.compile(rb"[0-9a-f]{32,}")


def ensure(folder: Path, build: Callable[[Path], None]) -> Path:
    """Return the folder; unless it exists, build it under a temporary name and rename it.

    If two processes ask for it at once, one builds it and the other waits. A kill frees the lock and leaves a temporary
    folder, which is never read and which the next builder deletes.
    """
    if folder.is_dir():
        return folder
    with explained(folder):
        return _built(folder, build)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a file system error into a one-line DataError that gives the free disk space."""
    try:
        yield
    except OSError as error:
        folder = next(parent for parent in path.parents if parent.is_dir())
        free = shutil.disk_usage(folder).free // 1_000_000
        raise DataError(
            f"{error.filename or path}: {error.strerror} ({free:,} MB free in {folder}); fix this and rerun to resume"
        ) from None


def _built(folder: Path, build: Callable[[Path], None]) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{folder.name}.lock"):
        for abandoned in folder.parent.glob(f".{folder.name}-*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        if not folder.is_dir():
            temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
            try:
                build(temporary)
                temporary.rename(folder)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    return folder


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Return the hexadecimal digest of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def remembered_digest(path: Path, algorithm: str = "sha256") -> str:
    """Return `file_digest`, remembered in the cache while the file's inode, size and times are unchanged."""
    state = path.stat()
    stamp = [str(path.resolve()), algorithm, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns]
    memo = cache_root() / "digests" / hashlib.sha256(json.dumps(stamp).encode()).hexdigest()[:32]
    with explained(memo):
        if memo.is_file() and DIGEST.fullmatch(remembered := memo.read_bytes()):
            return remembered.decode("ascii")
        digest = file_digest(path, algorithm)
        memo.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=memo.parent, delete=False) as file:
            file.write(digest)
        Path(file.name).replace(memo)
        return digest
