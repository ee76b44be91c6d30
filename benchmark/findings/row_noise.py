"""Noise of the finite test part: how the scores of all studies vary and covary by test rows, from kept predictions.

Predictions are large and stay on the machine that made them. The covariances are stored in `row_noise/<dataset>.json` under a
digest of the predictions that the records name, so a folder without predictions gives the same report.
"""

import hashlib
import json
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
from benchmark.records import files, predictions
from benchmark.records.record import Record
from benchmark.statistics import Study, auc, logloss, row_covariance
from benchmark.statistics.examples import Sampled

MEASURES: dict[Metric, Callable[[Any, Any], Sampled]] = {"auc": auc, "logloss": logloss}

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
            raise RecordError(
                f"{file}: {error}; remove it and rerun `report` to compute it from the predictions"
            ) from None

    def keep(self, file: Path) -> None:
        """Write the file, unless there were no predictions or some of them were missing."""
        if self.studies and self.predictions is not None:
            files.write_text(file, self.model_dump_json() + "\n")


NONE = RowNoise(predictions=None, examples=0, studies=(), covariance={})


def row_noise(folder: Path, records: list[Record], dataset: str, file: Path) -> RowNoise:
    """Return the row noise of a data set whose studies have several blocks; NONE for single searches or no predictions.

    The covariance of two studies is the mean over pairs of runs of different blocks, since runs of one block share its
    winner. In memory are one number per study and test row, and as many per block of one study.

    Args:
        folder: with the predictions.
        records: of that folder.
        dataset: whose records are used.
        file: the stored row noise, which is returned if it matches the predictions that the records name.
    """
    runs = [r for r in records if (r.dataset, r.kind, r.status) == (dataset, "final", "complete") and r.predictions]
    if not any(run.block != runs[0].block for run in runs):
        return NONE
    named = sorted((run.model, run.budget, run.seed, run.predictions) for run in runs)
    digest = hashlib.sha256(json.dumps(named).encode()).hexdigest()
    kept = RowNoise.kept(file)
    if kept is not None and kept.predictions == digest:
        return kept
    read = _Predictions(folder)
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


class _Predictions:
    """Reads the predictions of one data set and counts those that match their records and each other."""

    def __init__(self, folder: Path):
        self.folder, self.count = folder, 0
        self.labels: predictions.Labels | None = None

    @property
    def examples(self) -> int:
        """Return the number of test rows."""
        return 0 if self.labels is None else len(self.labels)

    def blocks(self, runs: list[Record]) -> Iterator[dict[Metric, NDArray[np.float64]]]:
        """Yield {metric: mean influence (N,)} of each block of a study that has readable predictions."""
        for block in sorted({run.block for run in runs}):
            logits = [logit for run in runs if run.block == block if (logit := self._read(run)) is not None]
            if logits:
                yield {name: of(self.labels, np.stack(logits)).influence.mean(0) for name, of in MEASURES.items()}

    def _read(self, run: Record) -> predictions.Logits | None:
        """Return a run's logits; None if the file is missing, not the one of the record, or of other test rows."""
        path = predictions.prediction_file(self.folder, run.dataset, run.model, run.budget, run.seed)
        if not path.resolve().is_relative_to(self.folder.resolve()) or not path.exists():
            return None
        logit, label = predictions.read(path)
        if predictions.digest(logit, label) != run.predictions:
            return None
        if self.labels is None:
            self.labels = label
        if not np.array_equal(label, self.labels):
            return None
        self.count += 1
        return logit
