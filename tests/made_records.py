"""Results folders with generated records of known true values, for tests of everything derived from records."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

from benchmark import findings
from benchmark.findings import file_name
from benchmark.protocol import Protocol, validated
from benchmark.records import files, predictions, store
from benchmark.records.record import Record
from benchmark.records.throughput import Speed, Throughput
from benchmark.reports.table import Table
from benchmark.reports.tables import tables_of

LOGLOSS = {"mlp": 0.430, "dlrm": 0.429, "dcnv2": 0.425, "wukong": 0.420}  # at the smallest budget
TOO_MANY = 2_000_000  # test rows: predictions are not kept, so nobody misses them
SLOPE = {"mlp": -0.001, "dlrm": -0.002, "dcnv2": -0.004, "wukong": -0.006}  # per 4x


def protocol(**changes: object) -> Protocol:
    values = {
        "name": "made",
        "datasets": ["hotel"],
        "models": ["mlp", "dlrm", "dcnv2", "wukong"],
        "budgets": [0.1, 0.4, 1.6],
        "embedding_dim": 8,
        "search": {"trials": 10, "blocks": 1},
        "final": {"seeds": [1, 2, 3, 4, 5]},
    }
    return validated({**values, **changes}, "made")


def make(
    models: Iterable[str] = tuple(LOGLOSS),
    budgets: Iterable[float] = (0.1, 0.4, 1.6),
    seeds: Iterable[int] = (1, 2, 3, 4, 5),
    trials: int = 10,
    blocks: int = 1,
    dataset: str = "hotel",
    noise: float = 2e-4,
    **changes: object,
) -> list[Record]:
    """Return records of finished studies: LogLoss = the model's + its slope per budget + noise, AUC = 1.2 - LogLoss.

    Args:
        models: names; LOGLOSS and SLOPE hold the true values of four
        budgets: training MFLOP per example, in steps of 4x
        seeds: of the final runs of each block
        trials: number per block
        blocks: number per study
        dataset: name
        noise: standard deviation of LogLoss over blocks, and of half as much over seeds
        changes: fields to override in every record
    """
    generator = np.random.default_rng(0)
    made = []
    for model in models:
        for step, budget in enumerate(budgets):
            truth = LOGLOSS.get(model, 0.43) + SLOPE.get(model, -0.001) * step
            fixed = {
                "protocol": "made",
                "protocol_id": protocol().identity(),
                "dataset": dataset,
                "data_fingerprint": "f00d",
                "model": model,
                "budget": budget,
                "config": {"widths": [16, 8]},
                "optimiser": {"learning_rate": 1e-3},
                "forward_flops": round(budget * 1e6 / 3),
                "training_flops": 3 * round(budget * 1e6 / 3),
                "dense_parameters": 40_000,
                "embedding_parameters": 90_000,
                "epochs": 2,
                "best_epoch": 2,
                "steps": 200,
                "examples": 200_000,
                "train_seconds": 2.0 + budget,
                "seconds": 3.0,
                "history": tuple({"train_loss": 0.5 / e, "logloss": truth + 0.02 / e, "auc": 0.75} for e in (1, 2)),
                "device": "made",
                "threads": 1,
                "commit": "0" * 40,
                "dirty": False,
                "versions": {"python": "3"},
                "finished": "2026-01-01T00:00:00Z",
                "status": "complete",
                **changes,
            }
            for block in range(1, blocks + 1):
                of_block = truth + generator.normal(0, noise)
                for trial in range(trials):
                    valid = metrics(truth + abs(generator.normal(0, 0.01)))
                    made.append(Record(kind="trial", block=block, trial=trial, seed=trial, valid=valid, **fixed))
                for seed in seeds:
                    test = metrics(of_block + generator.normal(0, noise / 2))
                    own = {"block": block, "seed": 100 * (block - 1) + seed, "valid": metrics(truth)}
                    made.append(Record(kind="final", trial=0, test=test, **own, **fixed))
    return made


def replicated(
    *models: Iterable[str], blocks: int = 4, seeds: Iterable[int] = (1, 2), **changes: object
) -> list[Record]:
    """Return records like `make`, of studies with several blocks."""
    return make(*models, blocks=blocks, seeds=seeds, **changes)


def metrics(logloss: float) -> dict[str, float]:
    return {"logloss": float(logloss), "auc": float(1.2 - logloss)}


def failed(record: Record) -> Record:
    """Return the record as a diverged run would have left it."""
    return record.model_copy(update={"status": "failed", "error": "Diverged: loss is nan", "valid": None, "test": None})


def collapsed(record: Record) -> Record:
    """Return the record as a run whose logits are constant would have left it."""
    flat = {"logloss": 0.69, "auc": 0.5}
    test = flat if record.kind == "final" else None
    error = "validation AUC 0.5000: the predictions do not rank"
    return record.model_copy(update={"status": "collapsed", "error": error, "valid": flat, "test": test})


def doubled(
    made: Iterable[Record], gain: Callable[[Record], float] = lambda record: 0.0, seeds: int = 3
) -> list[Record]:
    """Return the doubling check of final runs: records with twice the epochs and a lower validation LogLoss, a higher AUC.

    Args:
        made: records, of which the final runs are trained again
        gain: of a final run, in either metric
        seeds: number per block
    """
    return [
        record.model_copy(
            update={
                "kind": "doubled",
                "epochs": 2 * (record.epochs or 0),
                "valid": metrics(record.valid["logloss"] - gain(record)),
                "test": None,
            }
        )
        for record in made
        if record.kind == "final" and record.valid and record.seed % 100 <= seeds
    ]


def with_check(made: list[Record]) -> list[Record]:
    """Return the records with a doubling check that all their models pass."""
    return [*made, *doubled(made)]


def folder(path: Path, made: list[Record], made_with: Protocol | None = None, facts: dict | None = None) -> Path:
    """Write a results folder and return its path.

    Args:
        path: where it goes
        made: its records
        made_with: its protocol
        facts: further facts about every data set
    """
    blocks = max((record.block for record in made), default=1)
    made_with = made_with or protocol(search={"trials": 10, "blocks": blocks})
    files.write_text(path / "protocol.toml", made_with.toml())
    lines_of: dict[Path, list[str]] = {}
    for record in made:
        name = store.record_file(path, file_name(record.dataset), file_name(record.model))
        lines_of.setdefault(name, []).append(record.model_dump_json())
    for name, lines in lines_of.items():
        files.write_text(name, "\n".join(lines) + "\n")
    for dataset in {record.dataset for record in made}:
        title = "Hotel bookings" if dataset == "hotel" else dataset
        named = {"title": title, "rows": {"test": TOO_MANY}, **(facts or {})}
        files.write_json(path / "datasets" / f"{file_name(dataset)}.json", named)
    return path


def with_predictions(path: Path, made: list[Record], examples: int = 4000, disagreement: float = 0.2) -> list[Record]:
    """Write predictions for the final runs and return the records with the metrics of those predictions.

    Args:
        path: results folder
        made: records
        examples: number of test rows
        disagreement: standard deviation of each model's own noise on the examples, which its seeds share
    """
    generator = np.random.default_rng(1)
    label = generator.integers(0, 2, examples).astype(np.uint8)
    shared = generator.normal(0, 1, examples)
    own = {model: generator.normal(0, disagreement, examples) for model in sorted({record.model for record in made})}
    return [
        _predicted(path, record, label, shared + own[record.model], generator)
        if (record.kind, record.status) == ("final", "complete")
        else record
        for record in made
    ]


def _predicted(
    path: Path, record: Record, label: np.ndarray, noise: np.ndarray, generator: np.random.Generator
) -> Record:
    skill = 1.5 - 10 * (record.test["logloss"] - 0.42)
    logit = (skill * (label - 0.5) * 2 + noise + generator.normal(0, 0.005, len(label))).astype(np.float32)
    file = predictions.prediction_file(path, record.dataset, record.model, record.budget, record.seed)
    digest = predictions.write(file, logit, label)
    test = {
        "auc": float(roc_auc_score(label, logit)),
        "logloss": float(log_loss(label, 1 / (1 + np.exp(-logit.astype(float))))),
    }
    return record.model_copy(update={"predictions": digest, "test": test})


def timed(path: Path, speeds: dict[str, float], budgets: Iterable[float] = (0.1, 0.4, 1.6), **changes: object) -> Path:
    """Write a measurement of the hotel data set's winners and return its file.

    Args:
        path: results folder
        speeds: training examples per second of each model, at every budget
        budgets: at which each model is measured
        changes: fields to override
    """
    measured = [
        Speed(
            model=model,
            budget=budget,
            block=1,
            trial=0,
            examples_per_second=speed,
            lowest=0.9 * speed,
            highest=1.1 * speed,
            milliseconds={1: 0.25, 512: 1e3 * 128 / speed, 4096: 1e3 * 1024 / speed},
        )
        for model, speed in speeds.items()
        for budget in budgets
    ]
    fixed = {
        "dataset": "hotel",
        "device": "Made CPU, AVX2",
        "threads": 1,
        "batch_size": 512,
        "rounds": 5,
        "steps": 100,
        "cpu_share": 1.0,
        "other_cores": 0.0,
        "quiet": True,
        "commit": "0" * 40,
        "dirty": False,
        "versions": {"python": "3"},
        "finished": "2026-02-03T00:00:00Z",
    }
    return Throughput(speeds=measured, **{**fixed, **changes}).write(path)


def table(path: Path, name: str = "quality") -> Table:
    """Return a table of the hotel data set in a results folder."""
    return next(table for table in tables_of(findings.read(path), "hotel") if table.name == name)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]
