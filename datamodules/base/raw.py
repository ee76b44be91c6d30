"""Raw files as bytes, plain or gzipped as their first bytes say, whatever their names."""

import gzip
import zlib
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

from datamodules.base.errors import DataError

GZIP = b"\x1f\x8b"
NO_TEXT = {
    b"PK\x03\x04": "a zip archive",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PAR1": "parquet",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
UNREADABLE = (OSError, EOFError, zlib.error)  # e.g. of a truncated or damaged gzip file


def opened(path: Path) -> BinaryIO:
    """Open a text file, plain or gzipped, as its first bytes say. Raises DataError for other kinds of files."""
    with path.open("rb") as file:
        start = file.read(8)
    _refuse(path, start, NO_TEXT)
    if not start.startswith(GZIP):
        return path.open("rb")
    with suppress(*UNREADABLE), gzip.open(path) as packed:  # damage is said where the rows are read
        _refuse(path, packed.peek(8), NO_TEXT | {GZIP: "gzip"}, "gzipped ")
    return cast(BinaryIO, gzip.open(path))


def _refuse(path: Path, start: bytes, kinds: dict[bytes, str], wrapping: str = "") -> None:
    for sign, kind in kinds.items():
        if start.startswith(sign):
            raise DataError(f"{path}: is {wrapping}{kind}; expected a text table in UTF-8, plain or gzipped once")


def not_text(path: Path) -> str | None:
    """Return the first byte of a file that is not UTF-8, with its line; None if there is none."""
    offset = 0
    with opened(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                byte, position = line[error.start], offset + error.start
                return f"{path}, line {number}: byte 0x{byte:02x} at offset {position:,} is not UTF-8"
            offset += len(line)
    return None
