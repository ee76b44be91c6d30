"""Raw files as bytes, plain or gzipped as their first bytes say, whatever their names."""

import gzip
import zlib
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
}
UNREADABLE = (OSError, EOFError, zlib.error)  # e.g. of a truncated or damaged gzip file


def opened(path: Path) -> BinaryIO:
    """Open a text file, plain or gzipped, as its first bytes say. Raises DataError for other kinds of files."""
    with path.open("rb") as file:
        start = file.read(8)
    for sign, kind in NO_TEXT.items():
        if start.startswith(sign):
            raise DataError(f"{path}: is {kind}; expected a text table, plain or gzipped")
    return cast(BinaryIO, gzip.open(path)) if start.startswith(GZIP) else path.open("rb")


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
