"""Style of all figures: how a model is drawn, panels, axes, reproducible files."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib as mpl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, Formatter, LogLocator, MaxNLocator, NullLocator

from benchmark.findings.summary import title
from benchmark.output import printable
from benchmark.reports.plots.looks import SUBJECT, look

HOLLOW = "(hollow)"  # suffix of published points in a legend
FRONT = "Pareto front"
MACHINE_WIDTH = 44  # characters of a line beneath an axis
OTHERS = "other models"
MANY = 4  # models; above, bands would hide each other
LARGER: dict[Any, float] = {  # factors that make markers look equally large
    **dict.fromkeys("^v<>", 1.15),
    **dict.fromkeys("PXd", 1.3),
    **dict.fromkeys(["*", (4, 1, 0), (4, 1, 45), (6, 1, 0), *((3, 1, angle) for angle in (0, 90, 180, 270))], 1.5),
}
LETTERS_PER_INCH = 11  # of a heading
FLOPS_LABEL = "training FLOP per example"
METRIC_LABELS = {"logloss": "test LogLoss (lower is better)", "auc": "test AUC (higher is better)"}
STYLE: dict[Any, Any] = {
    "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib, so files do not depend on installed fonts
    "svg.hashsalt": "wukong-bench",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "text.parse_math": False,  # a dollar sign in a name is not a formula
    "axes.formatter.useoffset": False,
    "grid.color": "0.9",
}


def drawn(name: str, size: float, width: float = 0.0) -> dict[str, Any]:
    """Return the properties of a model's markers and line; the subject's are larger, thicker and in front.

    Args:
        name: of the model or variant.
        size: of a marker, in points.
        width: of the line, in points; without, there is none.
    """
    style = look(name)
    larger, thicker, front = (1.9, 1.8, 4) if name == SUBJECT else (LARGER.get(style["marker"], 1.0), 1.0, 3)
    return {
        **style,
        "markersize": size * larger,
        "markeredgecolor": "white",  # tells overlapping markers apart
        "markeredgewidth": 0.4,
        "linestyle": "-" if width else "",
        "linewidth": width * thicker,
        "zorder": front,
    }


def label(name: str) -> str:
    """Return a model's name for a figure."""
    return printable(title(name))[:40]


@contextmanager
def styled() -> Iterator[None]:
    """Apply the style within a context, regardless of the user's matplotlibrc; draw and save figures inside it."""
    with mpl.rc_context():
        mpl.rcdefaults()
        with sns.axes_style("whitegrid"), sns.plotting_context("notebook", font_scale=0.95), mpl.rc_context(STYLE):
            yield


def panels(
    n: int,
    heading: str,
    *,
    finding: str = "",
    share_x: bool = False,
    share_y: bool = False,
    width: float = 5.0,
    height: float = 4.2,
) -> tuple[Figure, list[Axes]]:
    """Return a figure and its n panels, at most 3 per row, or 4 of more than 9.

    Args:
        n: number of panels.
        heading: what the figure is of; below the panels if a finding stands above them.
        finding: what the figure shows, in a sentence.
        share_x: use one x axis for all panels.
        share_y: use one y axis for all panels.
        width: of a panel, in inches.
        height: of a panel, in inches.
    """
    columns = 2 if n == 4 else 4 if n > 9 else min(n, 3)
    rows = -(-n // columns)
    wide = width * columns + 1.6
    above = textwrap.wrap(printable(finding or heading), int(LETTERS_PER_INCH * wide))
    below = textwrap.wrap(printable(heading if finding else ""), int(1.2 * LETTERS_PER_INCH * wide))
    figure = Figure(figsize=(wide, height * rows + 0.3 + 0.2 * len(above + below)), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=share_x, sharey=share_y)
    axes = list(grid.flat)
    for axis in axes[n:]:
        axis.remove()
    figure.suptitle("\n".join(above), fontsize="medium")
    if below:
        figure.supxlabel("\n".join(below), fontsize="small", color="0.35")
    return figure, axes[:n]


def legend(figure: Figure, axes: list[Axes], title: str = "") -> None:
    """Add one legend beside the panels, with one entry per name: models first, published points last.

    Args:
        figure: to add it to.
        axes: with the entries.
        title: of the legend.
    """
    entries: dict[str, Any] = {}
    for axis in axes:
        for handle, name in zip(*axis.get_legend_handles_labels(), strict=True):
            entries.setdefault(name, handle)
    names = sorted(entries, key=lambda name: (name.endswith(HOLLOW), name in (FRONT, OTHERS), name.lower()))
    figure.legend(
        [entries[name] for name in names], names, loc="outside right center", frameon=False, title=title or None
    )


def flops_axis(axis: Axes, budgets: list[float], text: str = FLOPS_LABEL, *, apart: float = 0.0) -> None:
    """Make x a log axis of compute, with ticks at the budgets, and at powers of ten where points lie beyond them.

    Args:
        axis: to change.
        budgets: in training MFLOP per example.
        text: label of the axis.
        apart: share of the axis between two labelled ticks, at least.
    """
    axis.set_xscale("log")
    beyond = [10.0**power for power in range(4, 16) if 2e6 * max(budgets) < 10.0**power <= axis.dataLim.x1]
    ticks = [*(budget * 1e6 for budget in budgets), *beyond]
    least = (max(ticks[-1], axis.dataLim.x1) / ticks[0]) ** apart
    labelled: list[float] = []
    for tick in ticks:
        if not labelled or tick >= labelled[-1] * least:
            labelled.append(tick)
    axis.set_xticks(ticks, [EngFormatter()(tick) if tick in labelled else "" for tick in ticks])
    axis.minorticks_off()
    axis.set_xlabel(text)


def reference_lines(axis: Axes, values: dict[str, float], *, best_is_low: bool) -> None:
    """Draw dashed reference lines, labelled at the right end; close ones share a label.

    The axis is extended to show the Bayes bound; other lines appear only if they are within its range.

    Args:
        axis: to draw on.
        values: by name.
        best_is_low: whether lower is better; labels go on the better side, where no model is.
    """
    if "Bayes" in values:
        axis.update_datalim([(axis.get_xlim()[0], values["Bayes"])], updatex=False)
        axis.autoscale_view(scalex=False)
    low, high = axis.get_ylim()
    groups: list[list[tuple[str, float]]] = []
    for name, value in sorted(values.items(), key=lambda item: item[1]):
        if low <= value <= high:
            axis.axhline(value, color="0.35", linestyle=(0, (4, 3)), linewidth=1, zorder=1)
            if groups and value - groups[-1][0][1] < 0.05 * (high - low):
                groups[-1].append((name, value))
            else:
                groups.append([(name, value)])
    for group in groups:
        axis.annotate(
            printable(", ".join(name for name, _ in group)),
            (1, group[0 if best_is_low else -1][1]),
            (0, -2 if best_is_low else 2),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            va="top" if best_is_low else "bottom",
            fontsize="small",
            color="0.25",
        )


def regret_axis(axis: Axes, text: str) -> None:
    """Make y a log axis of losses above a bound."""
    axis.set_yscale("log")
    axis.set_ylabel(text)
    _ticks_in_decades(axis.yaxis, "{x:g}")


def beneath(text: str, machine: str) -> str:
    """Return the label of an axis of times, with the machine they were measured on beneath it."""
    return f"{text}\n({textwrap.fill(printable(machine), MACHINE_WIDTH)})"


def time_axis(axis: Axes, which: Literal["x", "y"], machine: str) -> None:
    """Make x or y a log axis of training time per example.

    Args:
        axis: of the figure.
        which: x or y.
        machine: that the times were measured on.
    """
    axis.set(**{f"{which}scale": "log", f"{which}label": beneath("training time per example", machine)})
    _ticks_in_decades(axis.xaxis if which == "x" else axis.yaxis, EngFormatter("s"))


def cost_axis(axis: Axes, text: str) -> None:
    """Make x a log axis of a cost, labelled with this text."""
    axis.set(xscale="log", xlabel=text)
    _ticks_in_decades(axis.xaxis, EngFormatter())
    axis.tick_params(axis="x", labelsize="small")


def _ticks_in_decades(axis: Axis, form: str | Formatter) -> None:
    """Put three ticks in each decade, and a few in all on an axis that is shorter than one."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)) if high > 10 * low > 0 else MaxNLocator(4))
    axis.set_major_formatter(form)
    axis.set_minor_locator(NullLocator())
