"""Style of all figures: colour and marker of a model, panels, axes, reproducible files."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from textwrap import fill
from typing import Any, Literal

import matplotlib as mpl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, Formatter, LogLocator, NullLocator

import models
from benchmark.findings.summary import title
from benchmark.output import printable

# Okabe and Ito's colours without yellow, and darker ones of Tol's muted set: safe for colour-blind readers and in print.
COLOURS = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#d55e00",
    "#cc79a7",
    "#8c6d31",
    "#882255",
    "#7f7f7f",
    "#332288",
    "#56b4e9",
    "#117733",
    "#aa4499",
    "#661100",
    "#6699cc",
)
MARKERS = "osD^vPX*<>dhp8"
HOLLOW = "(hollow)"  # suffix of published points in a legend
FRONT = "Pareto front"
MACHINE_WIDTH = 44  # characters of a line beneath an axis
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
METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def look(name: str) -> dict[str, Any]:
    """Return colour and marker of a model, fixed by its position in the suite and by a variant's among its siblings.

    A model and up to 13 variants of it have different colours; no two of all models and variants share both.
    """
    model, sibling = _places().get(name, (sum(map(ord, name)), 0))
    return {
        "color": COLOURS[(model + sibling) % len(COLOURS)],
        "marker": MARKERS[(model + 2 * sibling) % len(MARKERS)],
    }


@cache
def _places() -> dict[str, tuple[int, int]]:
    """Return of each model and variant the model's place, and 0 or the variant's number. Cached: every marker asks."""
    return {
        name: (place, sibling)
        for place, model in enumerate(models.names())
        for sibling, name in enumerate([model, *models.variants(model)])
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


def panels(n: int, heading: str, *, share_y: bool = False, width: float = 5.0) -> tuple[Figure, list[Axes]]:
    """Return a figure and its n panels, at most 3 per row.

    Args:
        n: number of panels.
        heading: of the figure.
        share_y: use one y axis for all panels.
        width: of a panel, in inches.
    """
    columns = 2 if n == 4 else min(n, 3)
    rows = -(-n // columns)
    figure = Figure(figsize=(width * columns + 1.6, 4.2 * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=share_y)
    axes = list(grid.flat)
    for axis in axes[n:]:
        axis.remove()
    figure.suptitle(printable(heading), fontsize="medium")
    return figure, axes[:n]


def legend(figure: Figure, axes: list[Axes], title: str = "") -> None:
    """Add one legend beside the panels, with one entry per name: models first, then Pareto front and published points.

    Args:
        figure: to add it to.
        axes: with the entries.
        title: of the legend.
    """
    entries: dict[str, Any] = {}
    for axis in axes:
        for handle, name in zip(*axis.get_legend_handles_labels(), strict=True):
            entries.setdefault(name, handle)
    names = sorted(entries, key=lambda name: (name.endswith(HOLLOW), name == FRONT, name.lower()))
    figure.legend(
        [entries[name] for name in names], names, loc="outside right center", frameon=False, title=title or None
    )


def flops_axis(axis: Axes, budgets: list[float], text: str = "training FLOP per example") -> None:
    """Make x a log axis of compute, with ticks at the budgets, and at powers of ten where points lie beyond them.

    Args:
        axis: to change.
        budgets: in training MFLOP per example.
        text: label of the axis.
    """
    axis.set_xscale("log")
    beyond = [10.0**power for power in range(4, 16) if 2e6 * max(budgets) < 10.0**power <= axis.dataLim.x1]
    axis.set_xticks([*(budget * 1e6 for budget in budgets), *beyond])
    axis.xaxis.set_major_formatter(EngFormatter())
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
    return f"{text}\n({fill(printable(machine), MACHINE_WIDTH)})"


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
    """Put three ticks in each decade."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(form)
    axis.set_minor_locator(NullLocator())


def save(figure: Figure, stem: Path, *, pdf: bool = False) -> list[Path]:
    """Write the figure as PNG and SVG and return the files; equal figures give equal bytes.

    Args:
        figure: to write.
        stem: path without suffix.
        pdf: write it as PDF, too.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = []
    with styled():
        figure.draw_without_rendering()
        figure.set_layout_engine(None)  # laid out once, for all formats; "none" would draw each of them twice
        for suffix, metadata in METADATA.items():
            if suffix != ".pdf" or pdf:
                paths.append(stem.with_name(stem.name + suffix))
                figure.savefig(paths[-1], metadata=metadata)
    return paths
