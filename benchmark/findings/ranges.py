"""Which part of each shared range is worth drawing from: how many of its draws are among the best of their study."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from benchmark.findings.comparison import better
from benchmark.records.record import Record

AIDS = {  # parameter of the search: its name in reports
    "learning_rate": "learning rate",
    "embedding_l2": "embedding L2",
    "weight_decay": "weight decay",
    "dropout": "dropout",
    "normalisation": "normalisation",
    "embedding_std": "initial std of embeddings",
}
BEST = 0.25  # share of a study's trials that count as its best
TRAINED = ("complete", "pruned", "collapsed", "failed")  # a pruned trial is a draw that is not among the best
RATES = 6  # bins of the learning rate


@dataclass(frozen=True)
class Share:
    """A value of a shared parameter, or a bin of the learning rate, named by its geometric middle."""

    parameter: str
    value: Any
    draws: int
    best: float  # share of the draws that are among the best of their study

    @property
    def label(self) -> str:
        """The value as figures and tables show it."""
        return f"{self.value:.2g}" if isinstance(self.value, float) else str(self.value)


def ranked(records: Iterable[Record], dataset: str, metric: str) -> pl.DataFrame:
    """Return a row per trial with its shared parameters and whether it is among the best quarter of its study.

    Args:
        records: of a results folder.
        dataset: whose trials are used.
        metric: auc or logloss, of the validation part.
    """
    rows = []
    for record in records:
        if (record.dataset, record.kind) == (dataset, "trial") and record.status in TRAINED:
            value = (record.valid or {}).get(metric) if record.status != "pruned" else None
            score = -np.inf if value is None else better(metric) * value
            aids = {name: record.params.get(name) for name in AIDS}
            rows.append({"model": record.model, "budget": record.budget, "score": score, **aids})
    frame = pl.DataFrame(rows, infer_schema_length=None)
    if frame.is_empty():
        return frame
    rank = pl.col("score").rank(descending=True, method="average").over("model", "budget")
    return frame.with_columns(best=rank <= BEST * pl.len().over("model", "budget"))


def searched(trials: pl.DataFrame) -> list[str]:
    """Return the shared parameters of which the trials have several values."""
    return [name for name in AIDS if trials.height and trials[name].n_unique() > 1]


def shares(trials: pl.DataFrame, parameter: str) -> list[Share]:
    """Return the share of the best for each value of a parameter, over all models, in order of the value."""
    groups = binned(trials, parameter).group_by("bin").agg(draws=pl.len(), best=pl.col("best").mean()).sort("bin")
    return [Share(parameter, value, draws, best) for value, draws, best in groups.iter_rows()]


def binned(trials: pl.DataFrame, parameter: str) -> pl.DataFrame:
    """Return the trials with a column `bin`: the parameter's value, or the bin of the learning rate."""
    return trials.with_columns(bin=bins(trials[parameter]) if parameter == "learning_rate" else trials[parameter])


def bins(rates: pl.Series) -> pl.Series:
    """Return the geometric middle of each rate's bin, RATES of them over the logarithm."""
    logs = np.log(rates.to_numpy())
    edges = np.linspace(logs.min(), logs.max(), RATES + 1)
    place = np.clip(np.digitize(logs, edges) - 1, 0, RATES - 1)
    return pl.Series(np.exp((edges[place] + edges[place + 1]) / 2))
