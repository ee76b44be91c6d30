import csv
import itertools
from pathlib import Path

import numpy as np
import pytest

import benchmark
from benchmark.statistics import compute_to_match, expected_best, line, mean_interval, power_law

PUBLISHED = Path(benchmark.__file__).parent / "published"


def table5(model: str, most_gflop: float = 1e9) -> tuple[list[float], list[float]]:
    """Return GFLOP per example and relative LogLoss of task 1 in the Wukong paper's table 5, without diverged runs."""
    with (PUBLISHED / "wukong_paper_internal.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["model"] == model and not row["note"]]
    chosen = [row for row in rows if row["config"] != "Top 2x512 (baseline)"]
    points = [(float(r["gflop_per_example_training"]), float(r["rel_logloss_task1_percent"])) for r in chosen]
    return tuple(zip(*(point for point in points if point[0] <= most_gflop), strict=True))


@pytest.mark.parametrize(
    ("model", "most", "intercept", "slope", "r2"),
    [
        ("Wukong", 1e9, -0.440, -0.097, 0.953),
        ("DCNv2", 1e9, -0.200, -0.085, 0.998),
        ("DLRM", 31, -0.103, -0.113, 0.974),
        ("MaskNet", 1e9, -0.067, -0.118, 0.941),
        ("FinalMLP", 1e9, -0.027, -0.131, 0.796),
        ("AutoInt+", 1e9, 0.942, -0.375, 0.997),
    ],
)
def test_lines_fitted_to_the_wukong_papers_table_5_have_known_slope_and_intercept(model, most, intercept, slope, r2):
    fit = line(*table5(model, most), unit=1.0)
    assert (fit.intercept, fit.slope, fit.r2) == pytest.approx((intercept, slope, r2), abs=6e-4)


def test_the_papers_slopes_do_not_distinguish_wukong_from_dcnv2():
    ours, other = (line(*table5(model), unit=1.0) for model in ("Wukong", "DCNv2"))
    assert abs(ours.slope - other.slope) < ours.slope_half + other.slope_half


def test_dcnv2_does_not_reach_wukongs_loss_at_35_times_its_compute():
    match = compute_to_match(*table5("DCNv2"), target=-0.45)  # Wukong at 1.25 GFLOP
    assert (match.flops, match.bound) == (43.88, ">=")
    assert match.flops / 1.25 == pytest.approx(35.1, abs=0.05)


def test_compute_to_match_interpolates_in_log_compute_and_never_extrapolates():
    flops, losses = [1, 4, 16], [0.5, 0.4, 0.45]  # the last step is worse, but more compute can always match less
    assert compute_to_match(flops, losses, 0.45).flops == pytest.approx(2.0)
    assert str(compute_to_match(flops, losses, 0.39)) == ">= 16"
    assert str(compute_to_match(flops, losses, 0.6)) == "<= 1"
    assert str(compute_to_match(flops, losses, 0.5)) == "1"
    assert str(compute_to_match(flops, losses, 0.4)) == "4"


def test_line_intervals_cover_the_known_slope():
    generator = np.random.default_rng(0)
    flops = 1e6 * 4.0 ** np.arange(5)
    fits = [line(flops, 0.5 - 0.01 * np.arange(5) + generator.normal(0, 0.002, 5), 1e6) for _ in range(3000)]
    assert 0.93 <= np.mean([abs(fit.slope + 0.01) <= fit.slope_half for fit in fits]) <= 0.97
    assert 0.93 <= np.mean([abs(fit.intercept - 0.5) <= fit.intercept_half for fit in fits]) <= 0.97


def test_slopes_fitted_seed_by_seed_cover_the_known_slope():
    generator = np.random.default_rng(1)
    flops = 1e6 * 4.0 ** np.arange(4)
    hits = 0
    for _ in range(800):
        slopes = [line(flops, 0.5 - 0.01 * np.arange(4) + generator.normal(0, 0.002, 4), 1e6).slope for _ in range(5)]
        mean, half = mean_interval(slopes)
        hits += abs(mean + 0.01) <= half
    assert 0.93 <= hits / 800 <= 0.97


def test_a_line_through_one_budget_raises_an_error():
    with pytest.raises(ValueError, match="2 different budgets, got 1"):
        line([4.0, 4.0], [0.5, 0.4], 1.0)


def test_the_power_law_is_recovered_from_its_own_points():
    flops = 1e6 * 4.0 ** np.arange(6)
    fit = power_law(flops, 0.44 + 0.03 * (flops / 1e6) ** -0.3, 1e6)
    assert (fit.floor, fit.scale, fit.exponent) == pytest.approx((0.44, 0.03, 0.3), rel=0.02)
    assert not fit.open


def test_the_power_law_range_covers_the_known_exponent():
    generator = np.random.default_rng(2)
    flops = 1e6 * 4.0 ** np.arange(7)
    truth = 0.44 + 0.05 * (flops / 1e6) ** -0.4
    fits = [power_law(flops, truth + generator.normal(0, 3e-4, 7), 1e6) for _ in range(150)]
    assert np.mean([fit.low <= 0.4 <= fit.high for fit in fits]) >= 0.9


def test_noise_over_five_budgets_does_not_determine_a_small_exponent():
    generator = np.random.default_rng(3)
    flops = 1e6 * 4.0 ** np.arange(5)
    losses = 0.40 + 0.05 * (flops / 1e6) ** -0.1 + generator.normal(0, 1e-3, 5)
    assert power_law(flops, losses, 1e6).open


def test_a_known_floor_narrows_the_exponent():
    generator = np.random.default_rng(4)
    flops = 1e6 * 4.0 ** np.arange(5)
    losses = 0.44 + 0.05 * (flops / 1e6) ** -0.3 + generator.normal(0, 3e-4, 5)
    free, fixed = power_law(flops, losses, 1e6), power_law(flops, losses, 1e6, floor=0.44)
    assert fixed.high - fixed.low < free.high - free.low and fixed.low <= 0.3 <= fixed.high


def test_a_power_law_through_three_budgets_raises_an_error():
    with pytest.raises(ValueError, match="4 different budgets, got 3"):
        power_law([1, 2, 3], [3, 2, 1], 1.0)


def test_expected_best_is_the_mean_over_all_ways_to_draw_the_trials():
    scores = [0.52, 0.47, 0.55, 0.47]
    mean, deviation = expected_best(scores)
    for n in (1, 2, 3):
        best = [min(draw) for draw in itertools.product(scores, repeat=n)]
        assert mean[n - 1] == pytest.approx(np.mean(best))
        assert deviation[n - 1] == pytest.approx(np.std(best))


def test_expected_best_of_no_trials_is_empty_and_of_one_is_its_score():
    assert expected_best([])[0].size == 0
    assert expected_best([0.7], lower_is_better=False)[0].tolist() == [0.7]
