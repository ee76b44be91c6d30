"""The rules for blocks keep their promises on simulated searches."""

import math

import numpy as np
import pytest
from scipy import stats
from typer import Typer
from typer.testing import CliRunner

from benchmark.statistics.simulation import CONDITIONS, Design, Noise, _best, _main, draw, simulate

DESIGN = Design()


@pytest.mark.parametrize("noise", CONDITIONS, ids=lambda noise: f"{noise}, ratio {noise.ratio:g}")
def test_blocks_have_mean_0_and_unit_root_mean_square(noise):
    generator = np.random.default_rng(0)
    values = np.stack([draw(DESIGN, noise, generator) for _ in range(300)])
    assert abs(values.mean()) < 0.02
    assert (values**2).mean() == pytest.approx(1, abs=0.05)


def test_skewed_searches_are_exponential_and_unequal_models_differ():
    many = Design(blocks=20_000, models=2, budgets=1)
    generator = np.random.default_rng(1)
    skewed = draw(many, Noise(1000.0, skewed=True), generator)
    assert stats.skew(skewed[0, 0]) == pytest.approx(2, abs=0.3)
    deviations = np.stack([draw(DESIGN, Noise(3.0, unequal=True), generator).std(-1) for _ in range(100)])
    by_budget = np.sqrt((deviations**2).mean((0, 1)))
    assert by_budget[0] > 1.5 * by_budget[-1]


def test_the_best_of_ten_trials_is_distributed_like_the_minimum_of_ten_draws():
    generator = np.random.default_rng(2)
    direct = generator.normal(size=(50_000, 10)).min(1)
    assert stats.ks_2samp(_best(generator.random(50_000), 10, False), direct).pvalue > 0.01


@pytest.mark.parametrize("noise", [Noise(3.0), Noise(5.0, unequal=True, skewed=True)], ids=str)
def test_false_claims_power_and_coverage_are_as_promised(noise):
    shares = simulate(DESIGN, noise, 200, seed=3)
    assert shares.false_column <= 0.06 and shares.false_mean <= 0.06  # nine equal models
    assert shares.power_column >= 0.72 and shares.power_mean >= 0.72
    assert 0.92 <= shares.covered_study <= 0.99 and 0.92 <= shares.covered_mean <= 0.99
    assert 0.92 <= shares.covered_slope <= 0.99 and 0.94 <= shares.best_kept < 1


def test_power_grows_with_the_lead_and_vanishes_without_one():
    power = [simulate(DESIGN, Noise(3.0), 30, seed=4, lead=lead).power_column for lead in (0.0, 2.0, 4.0)]
    assert power[0] < 0.05 < power[1] < power[2]


def test_a_seed_gives_the_same_shares_and_one_budget_has_no_slope():
    design = Design(blocks=3, models=3, budgets=1)
    steps: list[None] = []
    first = simulate(design, Noise(1.0), 5, seed=5, on_step=lambda: steps.append(None))
    second = simulate(design, Noise(1.0), 5, seed=5)
    assert str(first) == str(second) and len(steps) == 5
    assert math.isnan(first.covered_slope) and first.false_column == first.false_mean


def test_the_command_prints_a_line_per_condition():
    app = Typer()
    app.command()(_main)
    result = CliRunner().invoke(app, ["--models", "3", "--budgets", "2", "--replications", "2"], env={"COLUMNS": "100"})
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].startswith("lead: ") and lines[-1].startswith("standard error")
    assert sum(line.startswith(("equal", "unequal")) for line in lines) == len(CONDITIONS)
