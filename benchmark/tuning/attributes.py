"""What Optuna's own tools show of a study and its trials beside parameters and values, by name.

Names are those of a record's fields; a unit is part of the name where the field has another one.
"""

import warnings
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning

from benchmark.records.record import Record
from benchmark.study import Study

OF_RECORD = ("kind", "block", "status", "error", "epochs", "seconds", "dense_parameters", "embedding_parameters")


def objective(study: Study) -> str:
    """Return the name of a study's objective, which is that of the column in the frame of runs: valid_logloss, valid_auc."""
    return f"valid_{study.protocol.training.monitor}"


def of_study(study: Study) -> dict[str, Any]:
    """Return the attributes of a study."""
    return {
        "dataset": study.dataset,
        "model": study.model,
        "budget_mflop": study.budget,  # training MFLOP per example
        "block": study.block,
        "monitor": study.protocol.training.monitor,
        "protocol": study.protocol.name,
        "protocol_id": study.protocol_id,
    }


def of_trial(record: Record) -> dict[str, Any]:
    """Return the attributes of a recorded trial; what its record does not have is left out."""
    flops = record.training_flops
    values = {
        "slot": record.trial,
        **{name: getattr(record, name) for name in OF_RECORD},
        "training_mflop": None if flops is None else flops / 1e6,  # per example
    }
    return {name: value for name, value in values.items() if value is not None}


def describe(optuna_study: optuna.Study, study: Study) -> None:
    """Write the name of the objective and the attributes of a study, where the storage has others or none."""
    if optuna_study.metric_names != [objective(study)]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            optuna_study.set_metric_names([objective(study)])
    stored = optuna_study.user_attrs
    for name, value in of_study(study).items():
        if stored.get(name) != value:
            optuna_study.set_user_attr(name, value)
