"""Which part of each shared range is worth drawing from."""

from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from benchmark.findings import Findings
from benchmark.findings.comparison import better
from benchmark.reports.plots.style import label, legend, look, panels

AIDS = {  # parameter: its name on the figure
    "learning_rate": "learning rate",
    "embedding_l2": "embedding L2",
    "weight_decay": "weight decay",
    "dropout": "dropout",
    "normalisation": "normalisation",
    "embedding_std": "initial std of embeddings",
}
BEST = 0.25  # share of a study's trials that count as its best
RATES = 6  # bins of the learning rate


def ranges(findings: Findings, dataset: str) -> Figure | None:
    """Draw for each value of each shared parameter the share of its trials that are among the best quarter of their study.

    The grey line is a quarter: a value below it is drawn in vain more often than not. A mark per model, a bar over all. None
    without a search over several values.
    """
    trials = ranked(findings, dataset)
    shown = [name for name in AIDS if trials.height and trials[name].n_unique() > 1]
    if not shown:
        return None
    figure, axes = panels(len(shown), findings.heading(dataset), share_y=True, width=4.0)
    for axis, name in zip(axes, shown, strict=True):
        values = bins(trials[name]) if name == "learning_rate" else trials[name]
        order = sorted(values.unique().to_list())
        binned = trials.with_columns(bin=values)
        every = [share_best(binned, value) for value in order]
        axis.bar(range(len(order)), every, color="0.85", width=0.8, zorder=0)
        names = sorted(trials["model"].unique())
        for i, model in enumerate(names):
            own = binned.filter(pl.col("model") == model)
            means = [share_best(own, value) for value in order]
            x = np.arange(len(order)) + 0.6 * ((i + 0.5) / len(names) - 0.5)
            axis.plot(x, means, linestyle="", markersize=5, label=label(model), **look(model))
        axis.axhline(BEST, color="0.4", linewidth=1, zorder=1)
        axis.set_xticks(
            range(len(order)), [f"{value:.2g}" if isinstance(value, float) else str(value) for value in order]
        )
        axis.tick_params(axis="x", labelsize="small")
        axis.set_xlabel(AIDS[name])
        axis.set_ylim(0, 1)
        axis.grid(visible=False, axis="x")
    axes[0].set_ylabel(f"share of draws among the best {BEST:.0%} of their study")
    legend(figure, axes)
    return figure


def share_best(trials: pl.DataFrame, value: Any) -> float:
    """Return the share of the trials in a bin that are among the best of their study; nan where there are none."""
    best = trials.filter(pl.col("bin") == value)["best"].to_list()
    return sum(best) / len(best) if best else np.nan


def ranked(findings: Findings, dataset: str) -> pl.DataFrame:
    """Return a row per trial with its shared parameters and whether it is among the best quarter of its study."""
    metric = findings.protocol.training.monitor
    rows = []
    for record in findings.records:
        if (record.dataset, record.kind) == (dataset, "trial") and record.status in ("complete", "collapsed", "failed"):
            value = (record.valid or {}).get(metric)
            score = -np.inf if value is None else better(metric) * value
            aids = {name: record.params.get(name) for name in AIDS}
            rows.append({"model": record.model, "budget": record.budget, "score": score, **aids})
    frame = pl.DataFrame(rows, infer_schema_length=None)
    if frame.is_empty():
        return frame
    rank = pl.col("score").rank(descending=True, method="average").over("model", "budget")
    return frame.with_columns(best=rank <= BEST * pl.len().over("model", "budget"))


def bins(rates: pl.Series) -> pl.Series:
    """Return the geometric middle of each rate's bin, RATES of them over the logarithm."""
    logs = np.log(rates.to_numpy())
    edges = np.linspace(logs.min(), logs.max(), RATES + 1)
    place = np.clip(np.digitize(logs, edges) - 1, 0, RATES - 1)
    return pl.Series(np.exp((edges[place] + edges[place + 1]) / 2))
