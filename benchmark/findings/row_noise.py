"""Sampling noise of the finite test part: gaps between models on the same examples, from kept predictions.

Predictions are large and stay on the machine that made them. The results are stored in `row_noise/<dataset>.json` under a
digest of the predictions that the records name, so a folder without predictions gives the same report.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from benchmark.errors import RecordError
from benchmark.records import files, predictions
from benchmark.records.record import Record
from benchmark.statistics import auc_test, bootstrap_error, logloss_differences, minimum_detectable


@dataclass(frozen=True)
class RowNoise:
    """One model at one budget against the leader there: gaps (model minus leader) and their standard errors.

    Errors are over test examples: paired DeLong for AUC, paired per-example losses for LogLoss. Their variances are
    averaged over the shared seeds, since all seeds are scored on the same examples. The leader's own gap is nan.
    """

    budget: float
    model: str
    leader: str
    examples: int
    bootstrap: dict[str, float]  # standard error of one run's metric
    gap: dict[str, float]
    error: dict[str, float]

    def detectable(self, metric: str) -> float:
        """Return the minimum detectable gap of these test examples."""
        return minimum_detectable(self.error[metric])


class TestNoise(BaseModel):
    """Row noise of one data set: the content of `row_noise/<dataset>.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    found: list[RowNoise]
    predictions: str | None  # digest of the digests of all runs' predictions; None if some could not be read

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
        """Write the file, unless some of the predictions were missing."""
        if self.predictions is not None:
            files.write_text(file, self.model_dump_json(indent=1) + "\n")


Logits = dict[str, dict[int, predictions.Logits]]  # {model: {seed: logits}}


def row_noise(folder: Path, records: list[Record], dataset: str, file: Path) -> TestNoise:
    """Return the row noise at every budget where at least two models have predictions for a shared seed.

    Args:
        folder: with the predictions.
        records: of that folder.
        dataset: whose records are used.
        file: the stored row noise, which is returned if it matches the predictions that the records name.
    """
    runs = [r for r in records if (r.dataset, r.kind, r.status) == (dataset, "final", "complete") and r.predictions]
    if not runs:
        return TestNoise(found=[], predictions=None)
    named = sorted((run.model, run.budget, run.seed, run.predictions) for run in runs)
    digest = hashlib.sha256(json.dumps(named).encode()).hexdigest()
    kept = TestNoise.kept(file)
    if kept is not None and kept.predictions == digest:
        return kept
    noises, n_read = [], 0
    for budget in sorted({run.budget for run in runs}):
        labels, logits = _read(folder, [run for run in runs if run.budget == budget])
        n_read += sum(len(seeds) for seeds in logits.values())
        shared = sorted(set.intersection(*(set(seeds) for seeds in logits.values()))) if logits else []
        if len(logits) > 1 and shared and labels is not None:
            noises += _of_budget(budget, labels, logits, shared)
    return TestNoise(found=noises, predictions=digest if n_read == len(runs) else None)


def _read(folder: Path, runs: list[Record]) -> tuple[predictions.Labels | None, Logits]:
    """Return labels and logits of the runs whose predictions match the digest in their record."""
    labels: predictions.Labels | None = None
    logits: Logits = {}
    for run in runs:
        path = predictions.prediction_file(folder, run.dataset, run.model, run.budget, run.seed)
        if not path.resolve().is_relative_to(folder.resolve()) or not path.exists():
            continue
        logit, label = predictions.read(path)
        if predictions.digest(logit, label) != run.predictions or (
            labels is not None and not np.array_equal(label, labels)
        ):
            continue
        labels = label
        logits.setdefault(run.model, {})[run.seed] = logit
    return labels, logits


def _of_budget(budget: float, labels: predictions.Labels, logits: Logits, seeds: list[int]) -> list[RowNoise]:
    models = sorted(logits)
    aucs, auc_variance, losses, loss_variance = [], [], [], []
    for seed in seeds:
        score = np.stack([logits[model][seed] for model in models])
        test = auc_test(labels, score)
        own = np.diag(test.covariance)
        aucs.append(test.auc)
        auc_variance.append(own[:, None] + own - 2 * test.covariance)
        loss, error = logloss_differences(labels, score)
        losses.append(loss)
        loss_variance.append(error**2)
    mean = {"auc": np.mean(aucs, axis=0), "logloss": np.mean(losses, axis=0)}
    variance = {"auc": np.mean(auc_variance, axis=0), "logloss": np.mean(loss_variance, axis=0)}
    first = int(np.argmin(mean["logloss"]))
    result = []
    for i, model in enumerate(models):
        leads = i == first
        result.append(
            RowNoise(
                budget,
                model,
                models[first],
                len(labels),
                bootstrap_error(labels, logits[model][seeds[0]]),
                {name: math.nan if leads else float(mean[name][i] - mean[name][first]) for name in mean},
                {name: math.nan if leads else math.sqrt(max(0.0, variance[name][i, first])) for name in mean},
            )
        )
    return sorted(result, key=lambda noise: mean["logloss"][models.index(noise.model)])
