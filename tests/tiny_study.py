"""A study small enough to run in seconds."""

from pathlib import Path
from typing import Any

from benchmark import protocol as protocols
from benchmark.study import Study

PROTOCOL = {
    "name": "test",
    "datasets": ["synthetic"],
    "models": ["mlp"],
    "budgets": [0.1],
    "embedding_dim": 4,
    "training": {"batch_size": 512, "train_rows": 4096},
    "search": {
        "blocks": 1,
        "trials": 4,
        "learning_rate": [1e-3, 3e-2],
        "seed": 1,  # of draws that all learn something in eight steps
        "dropout": [0.0, 0.2],
        "embedding_l2": [0.0, 1e-5],
        "finalists": 2,
        "retrial_seeds": [101, 102],
    },
    "final": {"seeds": [1, 2]},
}


def study(folder: Path, model: str = "mlp", **changes: Any) -> Study:
    folder.mkdir(exist_ok=True)
    protocol = protocols.validated({**PROTOCOL, **changes}, "test")
    return Study(protocol, "synthetic", model, 0.1, folder, f"sqlite:///{folder / 'study.db'}")
