"""Figures: many models stand apart, lines only where they fit, labels do not overlap, names are plain text."""

import re
from itertools import pairwise

import numpy as np
import polars as pl
from made_records import folder, make, metrics, replicated, with_check
from matplotlib.collections import FillBetweenPolyCollection
from matplotlib.colors import to_hex

from benchmark import findings
from benchmark.findings.scaling import fitted
from benchmark.findings.verdict import verdict
from benchmark.reports import plots
from benchmark.reports.plots.looks import look
from benchmark.reports.plots.style import label


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


NINE = ("afn", "autoint", "dcnv2", "dlrm", "finalmlp", "masknet", "mlp", "wukong", "xdeepfm")


def drawn(path, made):
    """Return the findings of these records, and the figure of quality against compute."""
    contents = findings.read(folder(path, made))
    return contents, plots.figures_of(contents, "hotel")["quality_against_compute"]


def test_nine_models_have_a_panel_each_with_no_band_but_their_own(tmp_path):
    contents, figure = drawn(tmp_path, replicated(NINE))
    means = contents.rows("hotel").group_by("model").agg(pl.col("logloss").mean()).sort("logloss")["model"]
    assert [axis.get_title().split()[0] for axis in figure.axes] == [label(name) for name in means]
    for axis, name in zip(figure.axes, means, strict=True):
        bands = [one for one in axis.collections if isinstance(one, FillBetweenPolyCollection)]
        own = {to_hex(band.get_facecolor()[0]) for band in bands}
        assert len(bands) <= 1 and own <= {look(name)["color"]}
        (errors,) = axis.containers
        assert errors[0].get_color() == look(name)["color"] and len(errors[0].get_xdata()) == 3
        compared = {line.get_color() for line in axis.lines if line.get_label() == "Wukong"}
        assert compared == (set() if name == "wukong" else {look("wukong")["color"]})


def test_the_tick_labels_of_small_panels_do_not_overlap(tmp_path):
    budgets = (0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28)
    _, figure = drawn(tmp_path, make(NINE, budgets, trials=1))
    figure.canvas.draw()
    for axis in figure.axes:
        boxes = [text.get_window_extent() for text in axis.get_xticklabels() if text.get_text()]
        assert len(boxes) > 3 and all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_nine_models_at_one_budget_have_a_row_each_from_the_best_down(tmp_path):
    _, figure = drawn(tmp_path, make(NINE, (0.1,)))
    rows = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert rows[0] == "Wukong" and len(rows) == 9
    losses = {c[0].get_ydata()[0]: c[0].get_xdata()[0] for c in figure.axes[0].containers}
    assert [losses[place] for place in range(9)] == sorted(losses.values())


def test_a_line_is_fitted_only_where_it_passes_within_every_interval(tmp_path):
    bent = [
        r.model_copy(update={"test": metrics(r.test["logloss"] + 0.02)})
        if r.test and r.model == "dlrm" and r.budget == 0.4
        else r
        for r in replicated(noise=4e-4)
    ]
    contents, figure = drawn(tmp_path, bent)
    scores = contents.scores("hotel", "logloss")
    lines = fitted(scores)
    assert "dlrm" in scores.slopes.models and "dlrm" not in lines and "wukong" in lines
    for name, (flops, heights, _) in lines.items():
        for row in contents.rows("hotel").filter(pl.col("model") == name).iter_rows(named=True):
            at = np.interp(row["training_flops"], flops, heights)
            assert abs(at - row["logloss"]) < 1.02 * row["logloss_interval"]
    joined = [c[0] for c in figure.axes[0].containers if c.get_label() == "DLRM"]
    assert [line.get_linestyle() for line in joined] == ["-"]


def test_without_a_known_interval_no_line_is_fitted(tmp_path):
    contents, _ = drawn(tmp_path, make(seeds=(1,)))
    assert fitted(contents.scores("hotel", "logloss")) == {}


def test_the_caption_states_the_verdict_and_the_picture_its_front(tmp_path):
    contents = findings.read(folder(tmp_path, with_check(replicated())))
    figures = plots.figures_of(contents, "hotel")
    captions = {name: " ".join(figure.get_suptitle().split()) for name, figure in figures.items()}
    assert captions["quality_against_compute"] == verdict(contents, "hotel").sentence
    assert captions["pareto"].startswith("On the Pareto front of the means: Wukong by training FLOP")
    gains = r"Gains per 4x compute go from MLP's \+0\.\d\d ± 0\.\d\d % to Wukong's \+1\.\d\d ± 0\.\d\d %\."
    assert re.search(gains, captions["relative_improvement"]), captions["relative_improvement"]
    assert captions["axes_of_compute"].startswith("Wukong has the best LogLoss in the mean over 3 budgets.")


def test_captions_name_no_model_where_none_is_told_apart(tmp_path):
    contents = findings.read(folder(tmp_path, make(seeds=(1,))))
    figures = plots.figures_of(contents, "hotel")
    for name in ("axes_of_compute", "relative_improvement"):
        assert "best" not in figures[name].get_suptitle() and "Gains" not in figures[name].get_suptitle()


def test_the_caption_of_the_training_curves_counts_models_that_are_best_in_the_last_epoch(tmp_path):
    contents = findings.read(folder(tmp_path, with_check(replicated())))
    figures = plots.figures_of(contents, "hotel")
    captions = {"training_curves": " ".join(figures["training_curves"].get_suptitle().split())}
    assert captions["training_curves"].endswith(
        "4 of 4 models reach their lowest validation LogLoss in the last epoch."
    )
