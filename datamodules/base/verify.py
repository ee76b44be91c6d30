"""Checks an encoded data set against what was written down when it was encoded."""

from pathlib import Path
from typing import Any

from datamodules.base.batches import damage_of
from datamodules.base.cache import file_digest
from datamodules.base.encode import fingerprint_of
from datamodules.base.errors import DataError


def verify(folder: Path, meta: dict[str, Any]) -> str:
    """Return a line for the encoded arrays. Raises DataError if they are damaged or their fingerprint has changed."""
    with damage_of(folder):
        fingerprint = fingerprint_of(folder, meta["cardinalities"])
        for name, digest in meta["digests"].items():
            if file_digest(folder / name) != digest:
                raise ValueError(f"{name} has changed since encoding")
    if fingerprint != meta["fingerprint"]:
        differ = f"fingerprint expected {meta['fingerprint']}, found {fingerprint}"
        raise DataError(f"{folder}: {differ}; remove the folder and rerun to encode it again")
    return f"{folder}: fingerprint {fingerprint}, unchanged since encoding"
