"""The solver finds the width that a budget allows, or says that there is none."""

import pytest

from benchmark.budget import Infeasible, error, fit, training_flops
from models import base
from models.base.config import NARROW
from models.finalmlp import FinalMLPConfig
from models.mlp import MLPConfig

BUDGET = base.Budget(1.2e6, n_dense=0, n_sparse=10, embedding_dim=8)


SMALL = base.Budget(0.9e6, n_dense=0, n_sparse=10, embedding_dim=8)  # below this, every width may be taken


def one_layer(width: int) -> base.Config:
    return MLPConfig(embedding_dim=8, hidden=(width,))


def test_training_costs_three_forward_passes() -> None:
    config = one_layer(50)
    assert config.flops(0, 10) == 2 * (80 * 50 + 50)
    assert training_flops(config, BUDGET) == 3 * config.flops(0, 10)


def test_the_width_is_the_best_of_all_widths() -> None:
    found = fit([base.Shape(one_layer)], SMALL)
    best = min((one_layer(width) for width in range(1, 10_000)), key=lambda config: abs(error(config, SMALL)))
    assert found == best


def test_single_widths_are_trimmed_where_one_common_width_is_too_coarse() -> None:
    def three_layers(width: int) -> base.Config:
        return MLPConfig(embedding_dim=8, hidden=(width,) * 3)

    budget = base.Budget(30_000, 0, 10, 8)
    coarse = min((three_layers(width) for width in range(1, 200)), key=lambda config: abs(error(config, budget)))
    assert abs(error(coarse, budget)) > 0.005
    assert abs(error(fit([base.Shape(three_layers, trim=("hidden",))], budget), budget)) < 0.005


def test_a_width_with_a_share_spends_that_share() -> None:
    def two(first: int, second: int) -> base.Config:
        return FinalMLPConfig(embedding_dim=8, mlp1=(first,), mlp2=(second,), gate=(), heads=1)

    found = fit([base.Shape(two, shares=(0.3,))], SMALL)
    assert isinstance(found, FinalMLPConfig)
    narrowest = training_flops(two(NARROW, NARROW), SMALL)  # what neither width can save
    first_only = training_flops(two(found.mlp1[0], NARROW), SMALL) - narrowest
    assert first_only / (SMALL.training_flops - narrowest) == pytest.approx(0.3, abs=0.02)
    assert abs(error(found, SMALL)) < 0.005


def test_the_first_shape_that_fits_is_taken() -> None:
    def too_deep(width: int) -> base.Config:
        return MLPConfig(embedding_dim=8, hidden=(width, 4000))

    small = base.Budget(20_000, 0, 10, 8)
    found = fit([base.Shape(too_deep), base.Shape(one_layer)], small)
    assert isinstance(found, MLPConfig) and len(found.hidden) == 1


def test_a_budget_below_the_narrowest_shape_is_infeasible_and_says_how_far_off() -> None:
    with pytest.raises(
        Infeasible, match=r"no width meets 0.0001 training MFLOP per example within 2%; the nearest has 0.00389"
    ):
        fit([base.Shape(one_layer)], base.Budget(100, 0, 10, 8))
