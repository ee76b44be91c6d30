"""Test predictions that travel with a results folder: `packed_predictions/<data set>/<model>.npz`.

A file holds float16 logits of one final run per block of each study of a model, and the labels as bits: about 2 bytes per run
and test row. They suffice for the noise of test rows and its correlation between models, so that whoever adds a model gets
paired comparisons with models that others trained. The float32 logits of all runs stay where they were made.
"""

import json
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import RecordError
from benchmark.records import files
from benchmark.records.predictions import Labels

LARGEST_BYTES = 2**28  # of one array when unpacked
LARGEST_LOGIT = float(np.finfo(np.float16).max)


@dataclass(frozen=True, eq=False)
class Packed:
    """Packed predictions of a model on one test part; `runs` are the hashes of the float32 predictions in the records."""

    runs: tuple[str, ...]  # (R,)
    logits: NDArray[np.float16]  # (R, N)
    labels: Labels  # (N,)


def packed_file(results: Path, dataset: str, model: str) -> Path:
    """Return the path of a model's packed predictions.

    Args:
        results: results folder.
        dataset: name of the data set.
        model: name of the model.
    """
    return results / "packed_predictions" / dataset / f"{model}.npz"


def half(logits: NDArray[np.float32]) -> NDArray[np.float16]:
    """Return logits in half precision; those that are too large for it become its largest."""
    return np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT).astype(np.float16)


def write(path: Path, packed: Packed) -> None:
    """Replace a file of packed predictions; equal predictions give equal bytes.

    Raises RunError if disk or folder are at fault.
    """
    content = BytesIO()
    names = np.frombuffer(json.dumps(packed.runs).encode(), np.uint8)
    np.savez_compressed(content, runs=names, logits=packed.logits.astype("<f2"), labels=np.packbits(packed.labels))
    files.write_bytes(path, content.getvalue())


def read(path: Path) -> Packed:
    """Return packed predictions. Raises RecordError if the file was not written by `write`."""
    try:
        with zipfile.ZipFile(path) as archive:
            largest = max((entry.file_size for entry in archive.infolist()), default=0)
            if largest > LARGEST_BYTES:
                raise RecordError(f"{path}: {largest} bytes when unpacked; at most {LARGEST_BYTES} are allowed")
        with np.load(path, allow_pickle=False) as arrays:
            runs = tuple(map(str, json.loads(arrays["runs"].tobytes())))
            logits = arrays["logits"].astype(np.float16)
            labels = np.unpackbits(arrays["labels"], count=logits.shape[1])
        if logits.shape != (len(runs), len(labels)) or not np.isfinite(logits).all():
            raise ValueError(f"logits {logits.shape} of {len(runs)} runs and {len(labels)} labels")
    except (OSError, KeyError, IndexError, ValueError, TypeError, zipfile.BadZipFile, RecursionError) as error:
        if isinstance(error, RecordError):
            raise
        raise RecordError(f"{path}: not a valid file of packed predictions ({error}); remove it") from None
    return Packed(runs, logits, labels)


def united(a: Packed, b: Packed) -> Packed:
    """Return the runs of both; those of `a` alone if they are of other test rows."""
    if not np.array_equal(a.labels, b.labels):
        return a
    further = [i for i, run in enumerate(b.runs) if run not in a.runs]
    return Packed((*a.runs, *(b.runs[i] for i in further)), np.concatenate([a.logits, b.logits[further]]), a.labels)
