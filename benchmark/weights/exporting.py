"""Exports a model as a program that runs without this suite: torch.export's .pt2, or ONNX.

The program maps dense_BN and sparse_BF, as `Encoder.encode` returns them, to logit_B in float32, for any number of rows.
"""

import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.errors import RunError, disk_errors
from benchmark.weights.predicting import encoded
from benchmark.weights.reading import Weights

KINDS = (".pt2", ".onnx")
ROWS = 8  # of the example; any number but 0 and 1, which would be taken for a constant
TOLERANCE = 1e-5  # largest difference of a logit, from 1 on relative to it

Program = Callable[[NDArray[np.float32], NDArray[np.int32]], NDArray[np.float32]]


class _Logits(nn.Module):
    """The model without the hooks of its trainer."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, dense_BN: Tensor, sparse_BF: Tensor) -> Tensor:
        logit_B: Tensor = self.model(dense_BN, sparse_BF.long())  # ONNX mixes int32 with int64 otherwise
        return logit_B


def export(weights: Weights, out: Path, rows: Path | None = None, *, allow_missing: bool = False) -> float:
    """Write the program, after a check that its logits are those of the model; return their largest difference.

    Raises RunError if the program cannot be made or written, or differs by more than TOLERANCE; nothing is written then.

    Args:
        weights: of the model.
        out: file to write, .pt2 or .onnx.
        rows: Parquet, csv or gzipped csv, on which to compare; None: rows drawn at random.
        allow_missing: whether a column that is not there counts as missing in every row.
    """
    if out.suffix not in KINDS:
        raise RunError(f"{out}: unknown kind of program; give a name that ends in {' or '.join(KINDS)}")
    if not out.parent.is_dir():
        raise RunError(f"{out}: no folder {out.parent}; create it first")
    batches = [drawn(weights, n) for n in (1, 2, 100)]
    with disk_errors(out), tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
        made = Path(folder) / out.name
        with _quiet():
            program = _pt2(weights, made) if out.suffix == ".pt2" else _onnx(weights, made)
        largest = max(_difference(weights, program, *batch) for batch in batches)
        for batch in encoded(weights, rows, allow_missing=allow_missing) if rows else ():
            largest = max(largest, _difference(weights, program, *batch))
        if not largest <= TOLERANCE:
            raise RunError(f"{out}: the program's logits differ by {largest:.3g}; at most {TOLERANCE:g} is allowed")
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.replace(out)
    return largest


def drawn(weights: Weights, n: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return n rows with random dense values and ids, dense_RN and sparse_RF; sequences are partly padded."""
    rules, draw = weights.about.encoder, np.random.default_rng(n)
    rows = [rule.rows for rule in rules.tables.values()]
    columns = [draw.integers(0, limit, n) for limit in rows]
    for sequence in rules.sequences.values():
        limit = rules.tables[sequence.table].rows
        columns += [draw.integers(-1, limit, n) for _ in range(sequence.length)]
    sparse = np.stack(columns, axis=1) if columns else np.empty((n, 0))
    return draw.normal(size=(n, rules.n_dense)).astype(np.float32), sparse.astype(np.int32)


def _difference(
    weights: Weights, program: Program, dense_RN: NDArray[np.float32], sparse_RF: NDArray[np.int32]
) -> float:
    """Return the largest difference of the program's logits from the model's, relative where these exceed 1."""
    with torch.inference_mode():
        logit_R = weights.model(torch.from_numpy(dense_RN), torch.from_numpy(sparse_RF)).float().numpy()
    difference_R = np.abs(program(dense_RN, sparse_RF) - logit_R) / np.maximum(1, np.abs(logit_R))
    return float(difference_R.max(initial=0.0))


def _exported(weights: Weights) -> torch.export.ExportedProgram:
    rows = torch.export.Dim("rows")
    example = tuple(torch.from_numpy(x) for x in drawn(weights, ROWS))
    try:
        return torch.export.export(_Logits(weights.model), example, dynamic_shapes=({0: rows}, {0: rows}))
    except Exception as error:  # whatever the tracer meets
        reason = str(error).strip().partition("\n")[0]
        raise RunError(f"{weights.about.record.model} cannot be exported: {reason}") from None


def _pt2(weights: Weights, path: Path) -> Program:
    """Write a .pt2 file and return what it computes, read back from it."""
    torch.export.save(_exported(weights), path)
    module = torch.export.load(path).module()  # this very file; torch would run code that another one holds

    def run(dense_RN: NDArray[np.float32], sparse_RF: NDArray[np.int32]) -> NDArray[np.float32]:
        with torch.no_grad():
            logit_R: NDArray[np.float32] = module(torch.from_numpy(dense_RN), torch.from_numpy(sparse_RF)).numpy()
        return logit_R

    return run


def _onnx(weights: Weights, path: Path) -> Program:
    """Write a self-contained .onnx file and return what it computes, read back from it by ONNX Runtime."""
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 (PyTorch's exporter needs it)
    except ImportError:
        raise RunError(f"{path.name}: needs the extra [onnx]: pip install 'wukong-bench[onnx]'") from None
    names = {"input_names": ["dense", "sparse"], "output_names": ["logit"]}
    options: dict[str, Any] = {**names, "dynamo": True, "external_data": False, "verbose": False}
    try:
        torch.onnx.export(_exported(weights), f=str(path), **options)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # whatever the exporter meets
        if isinstance(error, OSError | RunError):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise RunError(f"{weights.about.record.model} cannot be exported: {reason}") from None
    inputs = [value.name for value in session.get_inputs()]

    def run(dense_RN: NDArray[np.float32], sparse_RF: NDArray[np.int32]) -> NDArray[np.float32]:
        given = {"dense": dense_RN, "sparse": sparse_RF}
        logit_R: NDArray[np.float32] = session.run(None, {name: given[name] for name in inputs})[0]
        return logit_R

    return run


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporters' advice."""
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        yield
