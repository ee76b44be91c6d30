"""Finding and reading raw files, with errors that say what to do."""

import hashlib
from pathlib import Path

import polars as pl

from datamodules.base.encode import DataError


def find_files(dataset: str, names: tuple[str, ...], folders: list[Path], how_to_get: str) -> list[Path]:
    """The named files in the first of the folders that has them all. Raises DataError saying where it looked."""
    for folder in folders:
        if all((folder / name).is_file() for name in names):
            return [folder / name for name in names]
    looked = ", ".join(str(folder) for folder in folders)
    raise DataError(f"{dataset}: no folder with {', '.join(names)}; looked in {looked}. {how_to_get}")


def read_csv(path: Path) -> pl.DataFrame:
    """All columns as text, an empty cell as missing. Raises DataError for a file that is empty or not a table."""
    try:
        return pl.read_csv(path, infer_schema=False)
    except pl.exceptions.NoDataError:
        raise DataError(f"{path}: the file is empty") from None
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable csv file: {str(error).partition(chr(10))[0]}") from None


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal digest of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
