"""JSON and text files of a results folder, replaced atomically."""

import json
import os
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from benchmark.errors import RecordError, disk_errors

Model = TypeVar("Model", bound=BaseModel)

MENDED = "put a copy of it back, or remove it to have it made anew"


def first_problem(error: ValidationError) -> str:
    """Return the first problem of a validation error as `key: message`."""
    problem = error.errors()[0]
    key = ".".join(map(str, problem["loc"]))
    return f"{key + ': ' if key else ''}{problem['msg']}"


def write_json(path: Path, value: object) -> None:
    """Replace a JSON file atomically. Raises RunError if disk or folder are at fault."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace a text file atomically. Raises RunError if disk or folder are at fault."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file atomically: readers see the old or the new content.

    Raises RunError if disk or folder are at fault.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def read_json(path: Path, *keys: str) -> dict[str, Any]:
    """Return the object in a JSON file. Raises RecordError if it cannot be read or parsed, or lacks one of the keys."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{path}: damaged ({error}); {MENDED}") from None
    if not isinstance(content, dict) or not all(key in content for key in keys):
        raise RecordError(f"{path}: damaged (expected an object{' with ' * bool(keys)}{', '.join(keys)}); {MENDED}")
    return content


def read_as(kind: type[Model], path: Path) -> Model:
    """Return what is in a JSON file. Raises RecordError if it cannot be read or is no such model.

    Args:
        kind: of the model.
        path: of the file.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        reason = str(error)
    except ValidationError as error:
        reason = first_problem(error)
    raise RecordError(f"{path}: damaged ({reason}); {MENDED}")
