"""What the finite test part leaves open: gaps between models on the same examples, from kept predictions.

Predictions are large and local. What was found from them is kept in `row_noise/<dataset>.json` under the digest of the very
predictions that the records name, so that a folder without them reports the same.
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
    """One model at one budget against the leader there; gaps are model minus leader, nan for the leader itself.

    Errors are over test examples: paired DeLong for AUC, paired per-example losses for LogLoss, their variances averaged
    over the shared seeds, since all seeds are scored on the same examples.
    """

    budget: float
    model: str
    leader: str
    examples: int
    bootstrap: dict[str, float]  # standard error of one run's metric
    gap: dict[str, float]
    error: dict[str, float]

    def detectable(self, metric: str) -> float:
        """Least true gap that so many test examples show 4 times in 5."""
        return minimum_detectable(self.error[metric])


class TestNoise(BaseModel):
    """What a data set's predictions say, the content of `row_noise/<dataset>.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    found: list[RowNoise]
    predictions: str | None  # digest over the digests of all runs' predictions; None if some could not be read

    @classmethod
    def kept(cls, file: Path) -> Self | None:
        """As `keep` wrote it, None if it did not. Raises RecordError if the file holds something else."""
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise RecordError(f"{file}: {error}; remove it, and `report` makes it anew from the predictions") from None

    def keep(self, file: Path) -> None:
        """Write it, unless it was found from a part of the predictions."""
        if self.predictions is not None:
            files.write_text(file, self.model_dump_json(indent=1) + "\n")


Logits = dict[str, dict[int, predictions.Logits]]  # {model: {seed: logits}}


def row_noise(folder: Path, made: list[Record], dataset: str, file: Path) -> TestNoise:
    """Of every budget at which two models or more have predictions for a shared seed: as kept in `file`, or found anew."""
    runs = [r for r in made if (r.dataset, r.kind, r.status) == (dataset, "final", "complete") and r.predictions]
    if not runs:
        return TestNoise(found=[], predictions=None)
    named = sorted((run.model, run.budget, run.seed, run.predictions) for run in runs)
    digest = hashlib.sha256(json.dumps(named).encode()).hexdigest()
    kept = TestNoise.kept(file)
    if kept is not None and kept.predictions == digest:
        return kept
    found, n_read = [], 0
    for budget in sorted({run.budget for run in runs}):
        labels, logits = _read(folder, [run for run in runs if run.budget == budget])
        n_read += sum(len(seeds) for seeds in logits.values())
        shared = sorted(set.intersection(*(set(seeds) for seeds in logits.values()))) if logits else []
        if len(logits) > 1 and shared and labels is not None:
            found += _of_budget(budget, labels, logits, shared)
    return TestNoise(found=found, predictions=digest if n_read == len(runs) else None)


def _read(folder: Path, runs: list[Record]) -> tuple[predictions.Labels | None, Logits]:
    """Labels and logits of the runs whose file is the one that their record names."""
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
