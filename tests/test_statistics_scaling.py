import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import benchmark
from benchmark.statistics import Blocks, Study, crossing, expected_best, line, power_law, slopes

PUBLISHED = Path(benchmark.__file__).parent / "published"


def table5(model: str, most_gflop: float = 1e9) -> tuple[list[float], list[float]]:
    """Return GFLOP per example and relative LogLoss of task 1 in the Wukong paper's table 5, without diverged runs."""
    with (PUBLISHED / "wukong_paper_internal.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["model"] == model and not row["note"]]
    chosen = [row for row in rows if row["config"] != "Top 2x512 (baseline)"]
    points = [(float(r["gflop_per_example_training"]), float(r["rel_logloss_task1_percent"])) for r in chosen]
    return tuple(zip(*(point for point in points if point[0] <= most_gflop), strict=True))


def published(model: str, most_gflop: float = 1e9) -> tuple[Blocks, dict[Study, float]]:
    """Return the points of `table5` as studies of one block, and their GFLOP."""
    gflop, losses = table5(model, most_gflop)
    studies = [(model, compute) for compute in gflop]
    blocks = Blocks({study: [loss] for study, loss in zip(studies, losses, strict=True)})
    return blocks, dict(zip(studies, gflop, strict=True))


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
    blocks, flops = published(model, most)
    (fit,) = slopes(blocks, flops).values
    (start,) = line(blocks, flops, 1.0).values
    gflop, losses = table5(model, most)
    explained = np.corrcoef(np.log(gflop), losses)[0, 1] ** 2
    assert (start, fit, explained) == pytest.approx((intercept, slope, r2), abs=6e-4)


def test_the_papers_slopes_do_not_distinguish_wukong_from_dcnv2():
    ours, other = (
        stats.linregress(np.log(table5(model)[0]) / np.log(4), table5(model)[1]) for model in ("Wukong", "DCNv2")
    )
    halves = [fit.stderr * stats.t.ppf(0.975, len(table5(m)[0]) - 2) for fit, m in ((ours, "Wukong"), (other, "DCNv2"))]
    assert abs(ours.slope - other.slope) < sum(halves)


def test_dcnv2_does_not_reach_wukongs_loss_at_35_times_its_compute():
    match = crossing(*published("DCNv2"), "DCNv2", -0.45)  # Wukong at 1.25 GFLOP
    assert not match.reached and match.largest == 43.88
    assert match.largest / 1.25 == pytest.approx(35.1, abs=0.05)


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
