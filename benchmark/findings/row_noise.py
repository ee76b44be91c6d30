"""Noise of the finite test part: how the scores of all studies vary and covary by test rows, from test predictions.

One final run per block is enough, the first that has predictions; they are rounded to half precision as `packed_predictions/`
holds them, so a folder gives the same report with or without the predictions of all runs. The covariances are stored in
`row_noise/<dataset>.json` under a digest of the predictions that the records name, as computing them takes longer.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmark.errors import RecordError
from benchmark.findings.runs import METRICS, Metric
from benchmark.findings.scores import Rows
from benchmark.records import files, packed, predictions
from benchmark.records.record import Record
from benchmark.statistics import Study, auc, logloss, row_covariance
from benchmark.statistics.examples import Sampled

MEASURES: dict[Metric, Callable[[Any, Any], Sampled]] = {"auc": auc, "logloss": logloss}

FORGED = 1e-3  # difference of a metric of predictions from the record's, far above that of rounding

COLUMNS: dict[str, Any] = {
    "dataset": pl.String,
    "metric": pl.String,
    "model": pl.String,
    "budget": pl.Float64,
    "other_model": pl.String,
    "other_budget": pl.Float64,
    "covariance": pl.Float64,  # of the two studies' scores by test rows, in natural units
}


class RowNoise(BaseModel):
    """Row noise of one data set: the content of `row_noise/<dataset>.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    predictions: str | None  # digest of the digests of all runs' predictions; None if some could not be read
    examples: int = Field(ge=0)  # test rows
    studies: tuple[tuple[str, float], ...]  # model, budget
    covariance: dict[Metric, tuple[tuple[float, ...], ...]]  # of the studies' scores by test rows, in natural units

    @model_validator(mode="after")
    def _square(self) -> Self:
        for metric, rows in self.covariance.items():
            if {len(rows), *map(len, rows)} - {len(self.studies)}:
                raise ValueError(f"the covariance of {metric} is not square over {len(self.studies)} studies")
        return self

    def of(self, metric: Metric) -> Rows | None:
        """Return the studies and the covariance of their scores; None if there were no predictions."""
        return (list(self.studies), np.array(self.covariance[metric])) if self.studies else None

    def frame(self, dataset: str) -> pl.DataFrame:
        """Return the covariances as a frame with one row per metric and pair of studies."""
        rows = [
            (dataset, metric, *one, *other, value)
            for metric, covariance in self.covariance.items()
            for one, values in zip(self.studies, covariance, strict=True)
            for other, value in zip(self.studies, values, strict=True)
        ]
        return pl.DataFrame(rows, schema=COLUMNS, orient="row")

    @classmethod
    def kept(cls, file: Path) -> Self | None:
        """Return what `keep` wrote to the file, None if there is no file. Raises RecordError if the file is invalid."""
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            reason = files.first_problem(error) if isinstance(error, ValidationError) else error
            raise RecordError(
                f"{file}: {reason}; remove it and rerun `report` to compute it from the predictions"
            ) from None

    def keep(self, file: Path) -> None:
        """Write the file, unless there were no predictions or some of them were missing."""
        if self.studies and self.predictions is not None:
            files.write_text(file, self.model_dump_json() + "\n")


NONE = RowNoise(predictions=None, examples=0, studies=(), covariance={})


def row_noise(folder: Path, records: list[Record], dataset: str, file: Path) -> RowNoise:
    """Return the row noise of a data set whose studies have several blocks; NONE for single searches or no predictions.

    The covariance of two studies is the mean over pairs of runs of different blocks, since runs of one block share its
    winner. In memory are one number per study and test row, and as many per block of one study, and packed predictions.

    Args:
        folder: with the predictions, of all runs or packed.
        records: of that folder.
        dataset: whose records are used.
        file: the stored row noise, which is returned if it matches the predictions that the records name.
    """
    runs = one_per_block(records, dataset)
    if not any(run.block != runs[0].block for run in runs):
        return NONE
    named = sorted((run.model, run.budget, run.seed, run.predictions) for run in runs)
    digest = hashlib.sha256(json.dumps(named).encode()).hexdigest()
    kept = RowNoise.kept(file)
    if kept is not None and kept.predictions == digest:
        return kept
    read = Predictions(folder)
    studies: list[Study] = []
    means: dict[Metric, list[NDArray[np.float32]]] = {metric: [] for metric in METRICS}
    own: dict[Metric, list[float]] = {metric: [] for metric in METRICS}
    for study in sorted({(run.model, run.budget) for run in runs}):
        blocks = [*read.blocks([run for run in runs if (run.model, run.budget) == study])]
        if blocks:
            studies.append(study)
            for metric in METRICS:
                influence = np.stack([block[metric] for block in blocks])
                pairs = row_covariance(influence @ influence.T, [study] * len(blocks), range(len(blocks)), [study])
                own[metric].append(float(pairs[0, 0]))
                means[metric].append(influence.mean(0).astype(np.float32))
    covariance = {metric: _covariance(means[metric], own[metric]) for metric in METRICS}
    complete = read.count == len(runs)
    return RowNoise(
        predictions=digest if complete else None, examples=read.examples, studies=tuple(studies), covariance=covariance
    )


def _covariance(means: list[NDArray[np.float32]], own: list[float]) -> tuple[tuple[float, ...], ...]:
    """Return the covariance of studies from their mean influences (G, N) and their variances (G,) over pairs of blocks."""
    if not means:
        return ()
    stacked = np.stack(means)
    result = (stacked @ stacked.T).astype(float)
    np.fill_diagonal(result, own)
    return tuple(tuple(row) for row in result.tolist())


def one_per_block(records: list[Record], dataset: str) -> list[Record]:
    """Return the first final run with predictions of each block on a data set, by model, budget and block."""
    runs: dict[tuple[str, float, int], Record] = {}
    for run in sorted(records, key=lambda r: (r.model, r.budget, r.block, r.seed)):
        if (run.dataset, run.kind, run.status) == (dataset, "final", "complete") and run.predictions:
            runs.setdefault((run.model, run.budget, run.block), run)
    return list(runs.values())


class Predictions:
    """Reads predictions of one data set and counts those that match their records and each other."""

    def __init__(self, folder: Path):
        self.folder, self.count = folder, 0
        self.labels: predictions.Labels | None = None
        self._packed: dict[str, packed.Packed | None] = {}  # by model; the last one only

    @property
    def examples(self) -> int:
        """Return the number of test rows."""
        return 0 if self.labels is None else len(self.labels)

    def blocks(self, runs: list[Record]) -> Iterator[dict[Metric, NDArray[np.float64]]]:
        """Yield {metric: influence (N,)} of each run, one per block of a study, that has readable predictions."""
        for run in runs:
            logit = self.read(run)
            if logit is None:
                continue
            sampled = {name: of(self.labels, logit.astype(float)) for name, of in MEASURES.items()}
            off = [abs(float(of.values[0]) - (run.test or {}).get(name, math.nan)) for name, of in sampled.items()]
            if max(off) < FORGED:
                self.count += 1
                yield {name: of.influence[0] for name, of in sampled.items()}

    def read(self, run: Record) -> NDArray[np.float16] | None:
        """Return a run's logits (N,); None if there are none, or not those that its record names, or of other test rows."""
        logit, label = self._of_all_runs(run) or self._of_packed(run) or (None, None)
        if logit is None or label is None:
            return None
        if self.labels is None:
            self.labels = label
        return logit if np.array_equal(label, self.labels) else None

    def _of_all_runs(self, run: Record) -> tuple[NDArray[np.float16], predictions.Labels] | None:
        path = predictions.prediction_file(self.folder, run.dataset, run.model, run.budget, run.seed)
        if not path.resolve().is_relative_to(self.folder.resolve()) or not path.exists():
            return None
        logit, label = predictions.read(path)
        return (packed.half(logit), label) if predictions.digest(logit, label) == run.predictions else None

    def _of_packed(self, run: Record) -> tuple[NDArray[np.float16], predictions.Labels] | None:
        if run.model not in self._packed:
            path = packed.packed_file(self.folder, run.dataset, run.model)
            safe = path.resolve().is_relative_to(self.folder.resolve()) and path.exists()
            self._packed = {run.model: packed.read(path) if safe else None}
        kept = self._packed[run.model]
        if kept is None or run.predictions not in kept.runs:
            return None
        return kept.logits[kept.runs.index(run.predictions)], kept.labels


def pack(folder: Path, records: list[Record], dataset: str) -> None:
    """Write the packed predictions of each model that has predictions, unless its file holds the same runs.

    Args:
        folder: results folder.
        records: of that folder.
        dataset: whose predictions are packed.
    """
    runs: dict[str, list[Record]] = {}
    for run in one_per_block(records, dataset):
        runs.setdefault(run.model, []).append(run)
    for model, own in runs.items():
        reader, path = Predictions(folder), packed.packed_file(folder, dataset, model)
        kept = packed.read(path) if path.exists() else None
        if kept is not None and kept.runs == tuple(run.predictions for run in own):
            continue
        logits = {run.predictions: logit for run in own if run.predictions and (logit := reader.read(run)) is not None}
        if reader.labels is not None and (kept is None or kept.runs != tuple(logits)):
            packed.write(path, packed.Packed(tuple(logits), np.stack(list(logits.values())), reader.labels))
