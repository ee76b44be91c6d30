"""Figure of the shared ranges: which part of each is worth drawing from."""

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from benchmark.findings import Findings
from benchmark.findings.ranges import AIDS, BEST, binned, ranked, searched, shares
from benchmark.reports.plots import captions
from benchmark.reports.plots.style import drawn, label, legend, panels


def ranges(findings: Findings, dataset: str) -> Figure | None:
    """Draw for each value of each shared parameter the share of its trials that are among the best quarter of their study.

    A bar over all models, a mark per model; the line is the share over all values. None without a search over several values.
    """
    trials = ranked(findings.records, dataset, findings.protocol.training.monitor)
    shown = searched(trials)
    if not shown:
        return None
    sentence = captions.richest({AIDS[name]: shares(trials, name) for name in shown})
    figure, axes = panels(len(shown), findings.heading(dataset), finding=sentence, share_y=True, width=4.0)
    names = sorted(trials["model"].unique())
    for axis, name in zip(axes, shown, strict=True):
        over_all = shares(trials, name)
        place = {share.value: i for i, share in enumerate(over_all)}
        axis.bar(range(len(over_all)), [share.best for share in over_all], color="0.85", width=0.8, zorder=0)
        by_bin = binned(trials, name)
        for i, model in enumerate(names):
            own = by_bin.filter(pl.col("model") == model).group_by("bin").agg(pl.col("best").mean()).sort("bin")
            x = np.array([place[value] for value in own["bin"]]) + 0.6 * ((i + 0.5) / len(names) - 0.5)
            axis.plot(x, own["best"], label=label(model), **drawn(model, 5))
        axis.axhline(sum(trials["best"]) / trials.height, color="0.4", linewidth=1, zorder=1)
        axis.set_xticks(range(len(over_all)), [share.label for share in over_all])
        axis.tick_params(axis="x", labelsize="small" if len(over_all) < 6 else "x-small")
        axis.set_xlabel(AIDS[name])
        axis.set_ylim(0, 1)
        axis.grid(visible=False, axis="x")
    axes[0].set_ylabel(f"share of draws among the best {BEST:.0%} of their study")
    legend(figure, axes)
    return figure
