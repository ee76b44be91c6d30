"""Test predictions of final runs, kept for statistics over single examples (DeLong, bootstrap).

`predictions/<dataset>/<model>/<budget>-<seed>.npz` holds the float32 logits and the labels as bits, about 4 bytes per
example after compression; the run's record holds its hash. Predictions on more than LIMIT examples are not kept.
"""

import hashlib
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import RecordError
from benchmark.records import files

LIMIT = 2**20  # examples; beyond, a relevant gap is many standard errors wide and a file would exceed 4 MiB

Logits = NDArray[np.float32]
Labels = NDArray[np.uint8]


def prediction_file(results: Path, dataset: str, model: str, budget: float, seed: int) -> Path:
    """Return the path of a final run's predictions.

    Args:
        results: results folder.
        dataset: name of the data set.
        model: name of the model.
        budget: training MFLOP per example.
        seed: of the final run.
    """
    return results / "predictions" / dataset / model / f"{budget:g}-{seed}.npz"


def write(path: Path, logits: Logits, labels: Labels) -> str | None:
    """Write the predictions on a test part and return their hash; None, and nothing is written, above LIMIT examples.

    Raises RunError, and leaves no file, if the disk is full or not writable.

    Args:
        path: of the file.
        logits: (N,), in the order of the test part.
        labels: (N,).
    """
    if len(logits) > LIMIT:
        return None
    packed = BytesIO()  # in memory first: closing a zip file on a full disk raises a second error
    np.savez_compressed(packed, logits=logits.astype("<f4"), labels=np.packbits(labels.astype(np.uint8)))
    files.write_bytes(path, packed.getvalue())
    return digest(logits, labels)


def read(path: Path) -> tuple[Logits, Labels]:
    """Return logits and labels, (N,) each. Raises RecordError if the file was not written by `write`."""
    try:
        with zipfile.ZipFile(path) as archive:
            largest = max((entry.file_size for entry in archive.infolist()), default=0)
            if largest > 8 * LIMIT:
                raise RecordError(f"{path}: {largest} bytes when unpacked; at most {8 * LIMIT} are allowed")
        with np.load(path, allow_pickle=False) as arrays:
            logits = arrays["logits"].astype(np.float32)
            labels = np.unpackbits(arrays["labels"], count=len(logits))
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise RecordError(f"{path}: not a valid predictions file ({error})") from None
    return logits, labels


def digest(logits: Logits, labels: Labels) -> str:
    """Return the SHA-256 of the bytes of logits and labels."""
    return hashlib.sha256(logits.astype("<f4").tobytes() + labels.astype(np.uint8).tobytes()).hexdigest()
