"""Figure of planted interaction orders against compute."""

import seaborn as sns
from matplotlib.figure import Figure

from benchmark.findings import Findings
from benchmark.reports.plots import captions
from benchmark.reports.plots.style import drawn, flops_axis, label, legend, panels, regret_axis


def orders_against_compute(findings: Findings, dataset: str) -> Figure | None:
    """Draw regret relative to the Bayes bound and the share of each order learnt, with t intervals. None if not recorded."""
    recoveries = findings.recovery(dataset)
    if not recoveries:
        return None
    planted = sorted({order for r in recoveries for order in r.share})
    figure, axes = panels(1 + len(planted), findings.heading(dataset), finding=captions.learnt(recoveries))
    for name in sorted({r.model for r in recoveries}):
        points = sorted((r for r in recoveries if r.model == name), key=lambda r: r.budget)
        x = [r.budget * 1e6 for r in points]
        values = [[r.regret for r in points], *([r.share.get(o, (float("nan"),) * 2) for r in points] for o in planted)]
        for axis, intervals in zip(axes, values, strict=True):
            mean, half = zip(*intervals, strict=True)
            axis.errorbar(x, mean, half, label=label(name), elinewidth=1, capsize=2.5, **drawn(name, 6, 1.2))
    regret_axis(axes[0], "test LogLoss above the Bayes bound")
    for axis, order in zip(axes[1:], planted, strict=True):
        axis.set_ylabel(f"share of order {order} learnt")
        axis.axhline(1, color="0.35", linestyle=(0, (4, 3)), linewidth=1, zorder=1)
    for axis in axes:
        flops_axis(axis, sorted({r.budget for r in recoveries}))
        sns.despine(ax=axis)
    legend(figure, axes)
    return figure
