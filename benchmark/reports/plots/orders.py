"""Planted orders of interaction against compute."""

import seaborn as sns
from matplotlib.figure import Figure

from benchmark.findings import Findings
from benchmark.reports.plots.style import flops_axis, label, legend, look, panels, regret_axis


def orders_against_compute(findings: Findings, dataset: str) -> Figure | None:
    """Regret to the Bayes bound and what is learnt of each order, with 95 % intervals; None where the law is not known."""
    found = findings.recovery(dataset)
    if not found:
        return None
    planted = sorted({order for r in found for order in r.share})
    figure, axes = panels(1 + len(planted), findings.heading(dataset))
    for name in sorted({r.model for r in found}):
        own = sorted((r for r in found if r.model == name), key=lambda r: r.budget)
        x = [r.budget * 1e6 for r in own]
        values = [[r.regret for r in own], *([r.share.get(o, (float("nan"),) * 2) for r in own] for o in planted)]
        for axis, of_panel in zip(axes, values, strict=True):
            mean, half = zip(*of_panel, strict=True)
            axis.errorbar(
                x, mean, half, label=label(name), linewidth=1.2, markersize=6, elinewidth=1, capsize=2.5, **look(name)
            )
    regret_axis(axes[0], "test LogLoss above the Bayes bound")
    for axis, order in zip(axes[1:], planted, strict=True):
        axis.set_ylabel(f"learnt of order {order} (1: all)")
        axis.axhline(1, color="0.35", linestyle=(0, (4, 3)), linewidth=1, zorder=1)
    for axis in axes:
        flops_axis(axis, sorted({r.budget for r in found}))
        sns.despine(ax=axis)
    legend(figure, axes)
    return figure
