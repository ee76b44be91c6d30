import polars as pl
import pytest
import torch
from model_checks import counted_flops, parameters
from naive import CARDINALITY, batch, build, layer_norm, normal
from torch import Tensor, nn

import models
from benchmark.published.tables import FOLDER
from models.wukong import (
    AttentiveY,
    FactorizationMachineBlock,
    LinearCompressBlock,
    WukongConfig,
    WukongLayer,
)

FIXED = {
    name.removeprefix("wukong."): {k: tuple(v) if isinstance(v, list) else v for k, v in variant.fields.items()}
    for name, variant in models.variants("wukong").items()
}
CONFIG = WukongConfig(embedding_dim=4, layers=2, n_fmb=2, n_lcb=3, rank=3, fmb_mlp=(7,), top_mlp=(6,), bottom_mlp=(5,))


def drawn(layer: nn.Module) -> nn.Module:
    """Return the layer in float64 with random weights, biases and scales."""
    for p in layer.double().parameters():
        nn.init.normal_(p, std=0.5)
    return layer


def chain(mlp: nn.Sequential, a: Tensor) -> Tensor:
    """Return the affine maps of `a`, with a ReLU after each but the last."""
    layers = [layer for layer in mlp if isinstance(layer, nn.Linear)]
    for layer in layers:
        a = layer.weight @ a + layer.bias
        a = a.clamp(min=0) if layer is not layers[-1] else a
    return a


def naive_layer(layer: WukongLayer, x: Tensor, n_fmb: int, n_lcb: int) -> Tensor:
    """Return one layer's output for the embeddings x (n, d) of one row, by the sums of sections 3.3 to 3.6."""
    n, d = x.shape
    y, k = layer.fmb.y_TK, layer.fmb.y_TK.shape[1]
    fm = torch.zeros(n, k, dtype=x.dtype)
    for i in range(n):
        for c in range(k):
            for j in range(n):
                fm[i, c] += (x[i] @ x[j]) * y[j, c]
    fmb = chain(layer.fmb.mlp, layer_norm(fm.flatten(), layer.fmb.norm)).reshape(n_fmb, d)
    lcb = torch.zeros(n_lcb, d, dtype=x.dtype)
    for o in range(n_lcb):
        for i in range(n):
            lcb[o] += layer.lcb.weight_OT[o, i] * x[i]
    out = [*fmb, *lcb]
    for o in range(n_fmb + n_lcb):
        if n == n_fmb + n_lcb:
            out[o] = out[o] + x[o]
        else:
            out[o] = out[o] + sum(layer.residual.weight_OT[o, i] * x[i] for i in range(n))
    return torch.stack([layer_norm(embedding, layer.norm) for embedding in out])


def test_the_optimised_fm_equals_the_full_fm() -> None:
    """X (X^T Y) == (X X^T) Y, section 3.6."""
    fmb = drawn(FactorizationMachineBlock(6, 2, CONFIG))
    fmb.norm, fmb.mlp, fmb.n_out = nn.Identity(), nn.Identity(), 6  # so that the block returns the FM itself
    x_BTD = normal(2, 6, 4)
    torch.testing.assert_close(fmb(x_BTD), (x_BTD @ x_BTD.transpose(1, 2)) @ fmb.y_TK)


def test_the_optimised_fm_with_an_identity_y_is_all_dot_products() -> None:
    fmb = drawn(FactorizationMachineBlock(3, 2, CONFIG))
    fmb.norm, fmb.mlp, fmb.n_out = nn.Identity(), nn.Identity(), 3
    fmb.y_TK.data = torch.eye(3, dtype=torch.float64)
    x_BTD = normal(1, 3, 4)
    dots = [[x_BTD[0, i] @ x_BTD[0, j] for j in range(3)] for i in range(3)]
    torch.testing.assert_close(fmb(x_BTD)[0], torch.tensor(dots, dtype=torch.float64))


@pytest.mark.parametrize("n", [5, 6], ids=["as many embeddings in as out", "compressed residual"])
def test_a_layer_is_the_norm_of_fmb_and_lcb_plus_the_residual(n: int) -> None:
    layer = drawn(WukongLayer(n, 2, 3, CONFIG))
    assert isinstance(layer.residual, nn.Identity if n == 5 else LinearCompressBlock)
    x_BTD = normal(2, n, 4)
    for b in range(2):
        torch.testing.assert_close(layer(x_BTD)[b], naive_layer(layer, x_BTD[b], n_fmb=2, n_lcb=3))


def test_attentive_y_is_an_mlp_on_linearly_compressed_embeddings() -> None:
    config = CONFIG.model_copy(update={"attentive_tokens": 2, "attentive_mlp": (5,)})
    attentive = drawn(AttentiveY(6, 3, config))
    x_BTD = normal(2, 6, 4)
    for b in range(2):
        compressed = [sum(attentive.compress.weight_OT[c, i] * x_BTD[b, i] for i in range(6)) for c in range(2)]
        y_TK = chain(attentive.mlp, torch.cat(compressed)).reshape(6, 3)
        torch.testing.assert_close(attentive(x_BTD)[b], y_TK)


def test_an_attentive_y_that_ignores_its_input_is_a_static_y() -> None:
    static = drawn(FactorizationMachineBlock(6, 2, CONFIG))
    attentive = drawn(FactorizationMachineBlock(6, 2, CONFIG.with_field("attentive_tokens", 2)))
    last = attentive.attentive_y.mlp[-1]
    nn.init.zeros_(last.weight)
    last.bias.data = static.y_TK.detach().flatten()
    for part in ("norm", "mlp"):
        getattr(attentive, part).load_state_dict(getattr(static, part).state_dict())
    x_BTD = normal(2, 6, 4)
    torch.testing.assert_close(attentive(x_BTD), static(x_BTD))


def test_the_model_is_the_bottom_mlp_the_layers_and_the_top_mlp() -> None:
    model = build("wukong", CONFIG, 2, 3)
    dense_BN, sparse_BF = batch(2, 3)
    for b in range(len(dense_BN)):
        x = torch.stack(
            [
                chain(model.embed.dense, dense_BN[b]),
                *(model.embed.table.weight[f * CARDINALITY + sparse_BF[b, f]] for f in range(3)),
            ]
        )
        for layer in model.layers:
            x = naive_layer(layer, x, n_fmb=2, n_lcb=3)
        torch.testing.assert_close(model(dense_BN, sparse_BF)[b], chain(model.top_mlp, x.flatten())[0])


def test_without_fmb_mlp_weights_only_the_linear_path_remains() -> None:
    """FMB deactivated "by zeroing out its results" (section 7.3): the first n_F embeddings are those of the residual."""
    layer = drawn(WukongLayer(6, 2, 3, CONFIG))
    nn.init.zeros_(layer.fmb.mlp[-1].weight)
    nn.init.zeros_(layer.fmb.mlp[-1].bias)
    x_BTD = normal(2, 6, 4)
    linear_BTD = torch.cat([torch.zeros(2, 2, 4, dtype=torch.float64), layer.lcb(x_BTD)], dim=1)
    torch.testing.assert_close(layer(x_BTD), layer.norm(linear_BTD + layer.residual(x_BTD)))


def test_vanilla_fm_is_all_dot_products_and_needs_no_y() -> None:
    fmb = drawn(FactorizationMachineBlock(6, 2, CONFIG.with_field("rank", None)))
    assert fmb.y_TK is None
    fmb.norm, fmb.mlp, fmb.n_out = nn.Identity(), nn.Identity(), 6
    x_BTD = normal(2, 6, 4)
    torch.testing.assert_close(fmb(x_BTD), x_BTD @ x_BTD.transpose(1, 2))


@pytest.mark.parametrize("part", ["fmb", "lcb", "residual"])
def test_an_ablated_part_contributes_zeros_and_costs_nothing(part: str) -> None:
    whole, ablated = (
        drawn(WukongLayer(6, 2, 3, CONFIG)),
        drawn(WukongLayer(6, 2, 3, CONFIG.with_field("without", (part,)))),
    )
    assert not list(getattr(ablated, part).parameters())
    ablated.load_state_dict({k: v for k, v in whole.state_dict().items() if not k.startswith(f"{part}.")})
    x_BTD = normal(2, 6, 4)
    parts = {name: getattr(whole, name)(x_BTD) for name in ("fmb", "lcb", "residual")}
    parts[part] = torch.zeros_like(parts[part])
    expected = whole.norm(torch.cat([parts["fmb"], parts["lcb"]], dim=1) + parts["residual"])
    torch.testing.assert_close(ablated(x_BTD), expected)


def test_copies_and_groups_become_tokens() -> None:
    """Section 3.2: several embeddings for an important field, one for a group of minor fields."""
    config = CONFIG.model_copy(update={"copies": (2, 1, 1, 1), "groups": ((1, 3),), "group_dim": 3, "group_mlp": (5,)})
    assert config.n_tokens(2, 4) == 1 + 2 + 1 + 1
    model = build("wukong", config, 2, 4)
    dense_BN, sparse_BF = batch(2, 4)
    x_BTD = model.tokens(dense_BN, sparse_BF)
    for b in range(len(dense_BN)):
        rows = torch.stack([sparse_BF[b, 0], CARDINALITY + sparse_BF[b, 0], 2 * CARDINALITY + sparse_BF[b, 2]])
        group = model.groups[0]
        small = [group.embed.table.weight[g * CARDINALITY + sparse_BF[b, f]] for g, f in enumerate((1, 3))]
        expected = [
            chain(model.embed.dense, dense_BN[b]),
            *model.embed.table.weight[rows],
            chain(group.mlp, torch.cat(small)),
        ]
        torch.testing.assert_close(x_BTD[b], torch.stack(expected))
    assert len(model.embedding_parameters()) == 2


def test_a_pyramid_narrows_layer_by_layer() -> None:
    config = CONFIG.model_copy(update={"n_fmb": (4, 2), "n_lcb": (3, 1)})
    assert config.widths(9) == [(9, 4, 3), (7, 2, 1)]
    model = build("wukong", config, 2, 3)
    dense_BN, sparse_BF = batch(2, 3)
    assert model.layers(model.tokens(dense_BN, sparse_BF)).shape == (5, 3, 4)
    with pytest.raises(ValueError, match=r"n_fmb \(4, 2, 2\) has 3 entries; use one number or 2, one per layer"):
        CONFIG.with_field("n_fmb", (4, 2, 2))


def test_variants_change_what_their_names_say() -> None:
    paper = build("wukong", CONFIG, 2, 3)
    fuxictr, turbo = (build("wukong", CONFIG.model_copy(update=FIXED[name]), 2, 3) for name in ("fuxictr", "no_bias"))
    x_BTD = normal(2, 4, 4)
    assert (paper.layers[0].fmb(x_BTD) < 0).any()
    x_BTD = normal(2, 5, 4)  # FuxiCTR embeds each dense field
    assert (fuxictr.layers[0].fmb(x_BTD) >= 0).all()
    assert any(isinstance(layer, nn.BatchNorm1d) for layer in fuxictr.top_mlp)
    assert not any(isinstance(layer, nn.BatchNorm1d) for layer in fuxictr.layers.modules())
    lcb_biases = [m.bias_O1 is not None for m in fuxictr.layers.modules() if isinstance(m, LinearCompressBlock)]
    assert lcb_biases == [False, False]  # both residuals are identities here: 5 tokens in, 5 out
    names = [name for name, _ in turbo.named_parameters() if "bias" in name and not name.startswith("embed.")]
    assert names == []


OPTIONS = [
    {"rank": None},
    {"attentive_tokens": 2},
    {"without": ("fmb",)},
    {"without": ("lcb", "residual")},
    {"copies": (2, 1, 3), "groups": ((1,),), "group_mlp": (3,)},
    {"n_fmb": (5, 1), "n_lcb": (2, 2)},
    *FIXED.values(),
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_flops_of_every_option_match_torchs_count(options: dict[str, object]) -> None:
    config = CONFIG.model_copy(update=options)
    assert counted_flops(models.load("wukong"), config, 4, 3) == config.flops(4, 3)


PRESETS = models.presets("wukong")
PRINTED = pl.read_csv(FOLDER / "wukong_paper_internal.csv")
TABLE_5 = PRINTED.filter(pl.col("model") == "Wukong")


def dense_parameters(config: WukongConfig, n_dense: int, n_sparse: int) -> int:
    return parameters(models.load("wukong"), config, n_dense, [0] * n_sparse)


@pytest.mark.parametrize(
    ("row", "ratio"),
    list(enumerate([0.91, 0.81, 0.74, 0.94, 1.05, 0.96, 1.09])),
    ids=[f"table5_{i}" for i in range(1, 8)],
)
def test_flops_are_a_known_ratio_of_those_in_table_5(row: int, ratio: float) -> None:
    """720 tokens of width 160. Not published: how features were grouped or copied, the bottom MLP and the top MLP.

    If the FMB's MLP is at least 4096 wide it dominates, and the count is met within 10 %. The three models with 2048 fall
    short by 9, 19 and 26 %: the paper's layers contain something that its table does not name (see the last test).
    """
    config, printed = PRESETS[f"table5_{row + 1}"], TABLE_5.row(row, named=True)
    assert f"l={config.layers}" in printed["config"] and f"3x{config.fmb_mlp[0]}" in printed["config"]
    assert config.n_fmb == config.n_lcb
    gflop = 3 * config.flops(0, 720) / 1e9
    assert gflop / printed["gflop_per_example_training"] == pytest.approx(ratio, abs=0.005)


@pytest.mark.parametrize(
    ("row", "added", "ours"),
    [(1, 0.08, 0.078), (2, 0.13, 0.088), (3, 0.51, 0.596), (4, 2.50, 2.942), (5, 6.03, 5.851), (6, 7.01, 9.553)],
)
def test_parameters_of_table_5_grow_row_by_row(row: int, added: float, ours: float) -> None:
    """All rows have the same tables of 627 B, so a row differs from the one before in its dense part.

    Ours against printed: -3, -32, +17, +18, -3, +36 % if its billions are 10^9; -9, -37, +9, +10, -10, +27 % if 2^30. No
    reading of the equations that we know meets all six; the second and the last step, where n and k double, are furthest off.
    """
    printed = TABLE_5["params_total_billion"]
    assert printed[row] - printed[row - 1] == pytest.approx(added, abs=0.005)
    after, before = (dense_parameters(PRESETS[f"table5_{i}"], 0, 720) for i in (row + 1, row))
    assert (after - before) / 1e9 == pytest.approx(ours, abs=0.001)


def test_the_criteo_preset_is_within_4_percent_of_the_paper() -> None:
    """Printed: 28.01 M dense parameters and 173.73 training MFLOP. No configuration of App. A known to us has both."""
    config = PRESETS["criteo_tb"]
    assert 3 * config.flops(13, 26) / 1e6 == pytest.approx(0.961 * 173.73, rel=0.001)
    assert dense_parameters(config, 13, 26) == pytest.approx(0.981 * 28_009_121, rel=0.001)


def test_a_layer_of_table_5_has_more_parameters_than_the_equations_give_at_width_2048() -> None:
    """From 4 to 8 layers of n = 32, k = 24 the paper adds 0.13 x 2^30 parameters, 35 M a layer; the equations give 22 M.

    The missing 13 M would fit an attentive Y (an MLP of 3x2048 on four compressed embeddings has 12.8 M), but with it the
    largest model would cost more than 1.5 times the printed FLOPs. What the default Y was remains open.
    """
    four, eight = PRESETS["table5_2"], PRESETS["table5_3"]
    ours = (dense_parameters(eight, 0, 720) - dense_parameters(four, 0, 720)) / 4
    low, high = (0.12 * 2**30 / 4, 0.14 * 2**30 / 4)  # the printed difference and its rounding
    assert low < 35e6 < high
    assert ours == pytest.approx(22e6, rel=0.01)
    attentive = eight.model_copy(update={"attentive_tokens": 4, "attentive_mlp": (2048,) * 3})
    with torch.device("meta"):
        y = AttentiveY(64, 24, attentive)
    assert ours + sum(p.numel() for p in y.parameters()) == pytest.approx(35e6, rel=0.01)
    largest = PRESETS["table5_7"].model_copy(update={"attentive_tokens": 4, "attentive_mlp": (16384,) * 3})
    assert 3 * largest.flops(0, 720) / 1e9 > 1.5 * 108
