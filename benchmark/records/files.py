"""JSON and text files of a results folder, replaced atomically."""

import json
import os
from pathlib import Path
from typing import Any

from benchmark.errors import RecordError, disk_errors


def write_json(path: Path, value: object) -> None:
    """Replace a JSON file atomically. Raises RunError if disk or folder are at fault."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace a text file atomically: readers see the old or the new content.

    Raises RunError if disk or folder are at fault.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def read_json(path: Path) -> Any:
    """Return the content of a JSON file. Raises RecordError if it cannot be read or parsed."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: {error}") from None
