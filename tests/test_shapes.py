"""Trial 0 is recognisably its model at every budget, and no search space has a dead end."""

from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from optuna.samplers import RandomSampler
from optuna.study import create_study
from optuna.trial import FixedTrial

import models
from benchmark.budget import default_config, error, fit, training_flops
from benchmark.protocol.numbers import TOLERANCE
from models.base import Budget, Config
from models.base.config import NARROW, NARROWEST, WIDEST

TINY, SMALL, MFLOP, GFLOP = 0.02, 0.08, 1.0, 1000.0  # training MFLOP per example
EVERY = (TINY, SMALL, 0.32, MFLOP, 1.28, 100.0, GFLOP, 10 * GFLOP, 100 * GFLOP)
BUDGETED = [name for name in models.names() if models.load(name).Config.budgeted]
HIDDEN = (
    "hidden",
    "afn_hidden",
    "top_mlp",
    "fmb_mlp",
    "mlp1",
    "mlp2",
    "block1",
    "block2",
    "blocks",
    "ffn",
    "bottom_mlp",
)
IN_EIGHTS = ("mlp", "dlrm", "dcnv2", "deepfm", "finalnet", "wukong")
budgeted = pytest.mark.parametrize("name", BUDGETED)


def budget(mflop: float, n_dense: int = 0) -> Budget:
    return Budget(mflop * 1e6, n_dense, 10, 10)


@cache
def default(name: str, mflop: float, n_dense: int = 0) -> Any:
    """Return the config of trial 0."""
    return default_config(models.load(name).Config, budget(mflop, n_dense))


@cache
def drawn(name: str, mflop: float, n_dense: int = 0) -> tuple[Config, ...]:
    """Return the configs of 30 random draws. Raises Infeasible if one of them cannot meet the budget."""
    study, config_class = create_study(sampler=RandomSampler(seed=1)), models.load(name).Config
    room = budget(mflop, n_dense)
    return tuple(fit(config_class.suggest(study.ask(), room), room) for _ in range(30))


def widths(config: Config) -> list[int]:
    return [width for name in HIDDEN for width in getattr(config, name, ())]


@budgeted
@pytest.mark.parametrize("mflop", EVERY)
def test_trial_0_meets_every_budget_with_no_layer_narrower_than_8(name: str, mflop: float) -> None:
    config = default(name, mflop)
    assert abs(error(config, budget(mflop))) <= TOLERANCE
    assert min(widths(config)) >= NARROWEST


@budgeted
@pytest.mark.parametrize("mflop", [SMALL, 1.28, 100.0, GFLOP])
def test_every_random_draw_meets_its_budget_with_no_layer_narrower_than_8(name: str, mflop: float) -> None:
    for config in drawn(name, mflop):
        assert abs(error(config, budget(mflop))) <= TOLERANCE
        assert min(widths(config)) >= NARROWEST


@budgeted
@pytest.mark.parametrize("mflop", [TINY, SMALL, 0.32, MFLOP])
def test_trial_0_has_no_layer_narrower_than_16_where_one_of_its_shapes_leaves_room_for_16(
    name: str, mflop: float
) -> None:
    config_class, room = models.load(name).Config, budget(mflop)
    trial: Any = FixedTrial(config_class.default_at(room))
    cheapest = min(
        training_flops(shape.build(*shape.least, *[NARROW] * (len(shape.shares) + 1 - len(shape.least))), room)
        for shape in config_class.suggest(trial, room)
    )
    if cheapest <= room.training_flops:
        assert min(widths(default(name, mflop))) >= NARROW


@pytest.mark.parametrize("name", IN_EIGHTS)
def test_from_1_mflop_on_widths_are_multiples_of_8(name: str) -> None:
    for mflop in (MFLOP, 1.28, 100.0, GFLOP, 10 * GFLOP, 100 * GFLOP):
        assert all(width % 8 == 0 for width in widths(default(name, mflop)))
    for mflop in (1.28, 100.0, GFLOP):
        assert all(width % 8 == 0 for config in drawn(name, mflop) for width in widths(config))


def test_wukong_grows_in_layers_embeddings_and_rank_before_its_mlps_do() -> None:
    tiny, small, large = (default("wukong", mflop) for mflop in (TINY, MFLOP, GFLOP))
    assert tiny.layers >= 1 and tiny.n_fmb >= 2 and tiny.n_lcb >= 2 and tiny.rank >= 2
    assert large.layers >= 4 and large.layers > small.layers
    assert large.n_fmb > small.n_fmb and large.rank > small.rank
    for mflop in EVERY:
        config = default("wukong", mflop)
        assert max(widths(config)) <= 16_384 and config.fmb_mlp and config.top_mlp
    sizes = [(c.layers, c.n_fmb, c.rank) for c in (default("wukong", mflop) for mflop in EVERY)]
    assert all(a <= b for before, after in pairwise(sizes) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("n_dense", [0, 4])
def test_no_draw_of_wukong_is_without_embeddings_rank_or_layers(n_dense: int) -> None:
    for mflop in (SMALL, 0.32, 1.28, 100.0, GFLOP):
        for config in drawn("wukong", mflop, n_dense):
            assert min(config.n_fmb, config.rank) >= 2 and config.n_lcb >= 1 and config.layers >= 1  # type: ignore[attr-defined]
            assert max(widths(config)) <= 16_384


@pytest.mark.parametrize("name", ["mlp", "deepfm"])
def test_the_mlps_keep_two_hidden_layers_and_grow_deeper_only_at_the_widest(name: str) -> None:
    for mflop in EVERY:
        hidden = default(name, mflop).hidden
        assert len(hidden) == 2 or (len(hidden) > 2 and max(hidden) > WIDEST / 2 and mflop > GFLOP)
        assert max(hidden) <= WIDEST and max(hidden) - min(hidden) <= max(8, 0.05 * max(hidden))


@pytest.mark.parametrize("n_dense", [0, 3])
def test_dlrm_keeps_its_bottom_and_top_mlp(n_dense: int) -> None:
    for mflop in EVERY:
        config = default("dlrm", mflop, n_dense)
        assert abs(error(config, budget(mflop, n_dense))) <= TOLERANCE
        assert len(config.bottom_mlp) == 1 and len(config.top_mlp) >= 2
        assert min(config.top_mlp) >= NARROW


def test_dcnv2_always_has_cross_layers_and_at_large_budgets_two_of_full_rank() -> None:
    for mflop in EVERY:
        config = default("dcnv2", mflop)
        assert config.cross_layers >= (1 if mflop == TINY else 2) and len(config.hidden) >= 2
        assert config.structure == "parallel" and (config.rank is None or config.rank >= 2)
    assert default("dcnv2", GFLOP).rank is None and default("dcnv2", GFLOP).cross_layers >= 2


def test_autoint_spends_its_budget_on_attention_too() -> None:
    dims = [default("autoint", mflop).attention_dim for mflop in EVERY]
    assert dims == sorted(dims) and dims[0] >= 2 and dims[-1] > 100 * dims[3]
    for mflop in EVERY[1:]:
        config = default("autoint", mflop)
        assert (config.layers, config.heads) == (2, 2) and config.hidden


def test_finalmlp_has_two_streams_of_similar_width_and_finalnet_two_blocks() -> None:
    for mflop in EVERY:
        streams, blocks = default("finalmlp", mflop), default("finalnet", mflop)
        assert 0.9 <= streams.mlp1[-1] / streams.mlp2[-1] <= 1.1 and streams.heads == 4 and streams.gate == (64,)
        assert 0.9 <= blocks.block1[-1] / blocks.block2[-1] <= 1.1
        assert blocks.gate or mflop == TINY  # the gate would take more than a quarter


def test_masknet_rankmixer_xdeepfm_and_afn_keep_their_parts() -> None:
    for mflop in EVERY:
        mask, mixer, cin, afn = (default(name, mflop) for name in ("masknet", "rankmixer", "xdeepfm", "afn"))
        assert len(mask.blocks) == (1 if mflop == TINY else 2) and mask.aggregation(100) >= 1 and mask.hidden
        assert mixer.tokens == 8 and len(mixer.ffn) == (1 if mflop == TINY else 2)
        assert len(cin.cin) == 2 and cin.hidden
        assert 2 * afn.neurons == afn.afn_hidden[0] and afn.hidden
    assert default("rankmixer", GFLOP).token_dim > 10 * default("rankmixer", MFLOP).token_dim
    assert default("xdeepfm", GFLOP).cin[0] > 10 * default("xdeepfm", MFLOP).cin[0]
