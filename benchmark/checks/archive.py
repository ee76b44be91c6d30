"""Archives of a results folder sent by others, unpacked into a temporary folder without trusting their names and sizes."""

import gzip
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from benchmark.errors import RecordError
from benchmark.output import printable

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
LARGEST_BYTES = 2 * 2**30  # of all files when unpacked
MOST_MEMBERS = 20_000
LARGEST_READ = 2**20  # from a compressed tar at once; only its headers of any length are read whole
DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, ValueError, OverflowError),
    *(NotImplementedError, RuntimeError),  # a compression that zipfile lacks, and an encrypted member
)


@dataclass(frozen=True)
class _Member:
    """A regular file or something that is not allowed, which has no content."""

    name: str
    size: int  # as declared; neither format yields more
    content: IO[bytes] | None


class _Gzip(gzip.GzipFile):
    """A gzip file that refuses to fill the memory with a single read."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= LARGEST_READ:
            raise tarfile.ReadError(f"a header of more than {LARGEST_READ:,} bytes")
        return super().read(size)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Yield the one results folder in an archive, unpacked; it is removed afterwards.

    Raises RecordError if the archive is damaged, too large, holds a link or a name that leads outside, or does not hold
    exactly one results folder at its top or one level down.
    """
    with tempfile.TemporaryDirectory(prefix="wukong-bench-") as temporary:
        target = Path(temporary)
        try:
            _unpack(path, target)
        except DAMAGED as error:
            if isinstance(error, RecordError):
                raise
            raise RecordError(f"{path}: not a readable archive ({error or type(error).__name__})") from None
        yield _results_folder(path, target)


def _unpack(path: Path, target: Path) -> None:
    total = 0
    for count, member in enumerate(_zipped(path) if path.name.endswith(".zip") else _tarred(path), start=1):
        place = PurePosixPath(member.name)
        outside = place.is_absolute() or ".." in place.parts or "\\" in member.name or ":" in member.name
        if outside or not place.parts or member.name != printable(member.name):
            raise RecordError(
                f"{path}: the name {member.name!r} leads outside the archive's folder or is not printable"
            )
        if member.content is None:
            raise RecordError(f"{path}: {member.name} is a link or a device; send plain files")
        total += member.size
        if count > MOST_MEMBERS or total > LARGEST_BYTES:
            raise RecordError(
                f"{path}: more than {MOST_MEMBERS:,} files or {LARGEST_BYTES / 2**30:g} GiB when unpacked; check it unpacked"
            )
        file = target / place
        file.parent.mkdir(parents=True, exist_ok=True)
        with member.content, file.open("xb") as out:  # a second member of the same name is an error
            shutil.copyfileobj(member.content, out)


def _zipped(path: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if not entry.is_dir():
                plain = kind in (0, stat.S_IFREG)
                yield _Member(entry.filename, entry.file_size, archive.open(entry) if plain else None)


def _tarred(path: Path) -> Iterator[_Member]:
    opened = path.open("rb") if path.name.endswith(".tar") else _Gzip(path)
    with opened as file, tarfile.open(fileobj=file, mode="r:") as archive:
        for entry in archive:
            if not entry.isdir():
                yield _Member(entry.name, entry.size, archive.extractfile(entry) if entry.isreg() else None)
        # tarfile takes anything that is no header for the end; a whole archive ends with blocks of zeros
        file.seek(archive.offset)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it is cut short")


def _results_folder(path: Path, target: Path) -> Path:
    folders = sorted(file.parent for pattern in ("protocol.toml", "*/protocol.toml") for file in target.glob(pattern))
    if len(folders) == 1:
        return folders[0]
    names = ", ".join(str(folder.relative_to(target)) for folder in folders)
    expected = f"it holds several, {names}; send one archive each" if folders else "it holds no protocol.toml there"
    raise RecordError(f"{path}: expected one results folder at the top or one level down; {expected}")
