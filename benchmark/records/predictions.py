"""Test predictions of final runs, kept beside the records for what needs single examples: DeLong and the bootstrap.

`predictions/<dataset>/<model>/<budget>-<seed>.npz` holds the float32 logits and the labels as bits, about 4 bytes an
example after compression; its hash stands in the run's record. Test parts over LIMIT examples are not kept.
"""

import hashlib
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import RecordError, disk_errors

LIMIT = 2**20  # examples; on more, a gap worth naming is many standard errors, and a run's file would pass 4 MiB

Logits = NDArray[np.float32]
Labels = NDArray[np.uint8]


def prediction_file(results: Path, dataset: str, model: str, budget: float, seed: int) -> Path:
    """Where the predictions of a final run stand."""
    return results / "predictions" / dataset / model / f"{budget:g}-{seed}.npz"


def write(path: Path, logits: Logits, labels: Labels) -> str | None:
    """Keep the logits and labels (N,) of a test part in its order; returns their hash, None if they are too many.

    Raises RunError if the disk is full or cannot be written; nothing is left then.
    """
    if len(logits) > LIMIT:
        return None
    packed = BytesIO()  # first, since a zip file on a full disk raises once more when it is closed
    np.savez_compressed(packed, logits=logits.astype("<f4"), labels=np.packbits(labels.astype(np.uint8)))
    temporary = path.with_name(f".{path.name}")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(packed.getvalue())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    return digest(logits, labels)


def read(path: Path) -> tuple[Logits, Labels]:
    """Logits and labels (N,). Raises RecordError if the file is not one that `write` made."""
    try:
        with zipfile.ZipFile(path) as archive:
            largest = max((entry.file_size for entry in archive.infolist()), default=0)
            if largest > 8 * LIMIT:
                raise RecordError(f"{path}: {largest} bytes unpacked; at most {8 * LIMIT} are read")
        with np.load(path, allow_pickle=False) as arrays:
            logits = arrays["logits"].astype(np.float32)
            labels = np.unpackbits(arrays["labels"], count=len(logits))
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise RecordError(f"{path}: no predictions can be read from it ({error})") from None
    return logits, labels


def digest(logits: Logits, labels: Labels) -> str:
    """SHA-256 of the logits' and labels' bytes."""
    return hashlib.sha256(logits.astype("<f4").tobytes() + labels.astype(np.uint8).tobytes()).hexdigest()
