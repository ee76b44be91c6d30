"""Tune Wukong at one FLOP budget on the shipped hotel bookings, then print the chosen configuration.

Three trials and one final run, which takes seconds. Too few to judge the model: this shows how the API works.

    python examples/tune_one_model.py [RESULTS]

RESULTS is the folder that holds a folder for each protocol, `results` by default. A second call trains nothing and prints the
same.
"""

import sys
from pathlib import Path

from benchmark import protocol, run
from benchmark.study import winner

PROTOCOL = {
    "name": "one_model",
    "title": "Wukong at one budget",
    "datasets": ["hotel"],
    "models": ["wukong"],
    "budgets": [0.2],  # training MFLOP per example
    "embedding_dim": 8,
    "training": {"batch_size": 1024, "schedule": "linear"},
    "search": {"blocks": 1, "trials": 3, "learning_rate": [1e-3, 2e-2]},
    "final": {"seeds": [1]},
}


def main(results: Path) -> None:
    """Tune the model, and print the trial that validation chose."""
    tiny = protocol.validated(PROTOCOL, "examples/tune_one_model.py")
    done = run(tiny, results, device="cpu", jobs=1)
    best = winner(done.findings.records, tiny)  # one study of one block, so all records are its
    if best is None or best.valid is None or best.training_flops is None:
        sys.exit("no trial finished")

    print(f"\nchosen: trial {best.trial} of {best.model}")
    for name, value in sorted((best.config | best.optimiser).items()):
        print(f"  {name} = {value}")
    off = abs(best.training_flops / (best.budget * 1e6) - 1)
    print(f"training FLOPs per example: {best.training_flops:,}, {off:.2%} off the budget of {best.budget:g} MFLOP")
    print(f"validation: LogLoss {best.valid['logloss']:.4f}, AUC {best.valid['auc']:.4f}")


if __name__ == "__main__":  # the worker processes import this file
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results"))
