"""Figures: every model has its own look, labels do not overlap, names are plain text."""

from itertools import pairwise

from made_records import folder, make

import models
from benchmark import findings
from benchmark.reports import plots
from benchmark.reports.plots.style import look


def test_tick_labels_of_the_seed_strips_do_not_overlap(tmp_path):
    aucs = iter([0.7627, 0.7828] * 1000)
    made = [
        r.model_copy(update={"test": {"logloss": 0.5, "auc": next(aucs)}}) if r.kind == "final" else r for r in make()
    ]
    figure = plots.figures_of(findings.read(folder(tmp_path, made)), "hotel")["seed_strips"]
    figure.canvas.draw()
    for axis in figure.axes:
        low, high = axis.get_xlim()
        shown = [label for label in axis.get_xticklabels() if low <= label.get_position()[0] <= high]
        boxes = [label.get_window_extent() for label in shown]
        assert len(boxes) > 1
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_hostile_names_reach_no_figure_as_markup(tmp_path):
    """Names of models and data sets are validated; the title of a data set may be any text."""
    path = folder(tmp_path, make(("mlp",), budgets=(0.1, 0.4)), facts={"title": "<script>alert(1)</script> $\\frac{x$"})
    figure = plots.figures_of(findings.read(path), "hotel")["quality_against_compute"]
    for file in plots.save(figure, path / "figures" / "f"):
        assert b"<script" not in file.read_bytes()


def test_every_model_has_a_colour_and_marker_of_its_own():
    looks = [look(name) for name in models.names()]
    assert len({one["color"] for one in looks}) == len({one["marker"] for one in looks}) == len(looks)
