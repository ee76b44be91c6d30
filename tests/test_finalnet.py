import random

import model_checks
import pytest
import torch
from torch import nn

from models.finalnet import FactorizedInteraction, FeatureGating, FinalBlock, FinalNet, FinalNetConfig


def config(**fields: object) -> FinalNetConfig:
    return FinalNetConfig(**{"embedding_dim": 4, "embedding_std": 0.5, "block1": (6, 5), "block2": (7,), **fields})


@pytest.mark.parametrize("n_out", [1, 4, 5])
def test_concat_layer_is_half_linear_and_half_products_in_loops(n_out):
    layer = FactorizedInteraction(3, n_out, "concat")
    x_BI = torch.randn(2, 3)
    weight, bias = layer.linear[0].weight, layer.linear[0].bias
    n_linear = n_out - n_out // 2
    for b in range(2):
        h = [sum(weight[o, i] * x_BI[b, i] for i in range(3)) + bias[o] for o in range(n_out)]
        expected = [*h[:n_linear], *(h[o] * h[n_linear + o] for o in range(n_out // 2))]
        torch.testing.assert_close(layer(x_BI)[b], torch.stack(expected))


def test_sum_layer_adds_products_to_the_linear_map_in_loops():
    layer = FactorizedInteraction(3, 4, "sum")
    x_BI = torch.randn(2, 3)
    weight, bias = layer.linear[0].weight, layer.linear[0].bias
    for b in range(2):
        h = [sum(weight[o, i] * x_BI[b, i] for i in range(3)) + bias[o] for o in range(8)]
        torch.testing.assert_close(layer(x_BI)[b], torch.stack([h[o] + h[o] * h[4 + o] for o in range(4)]))


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("residual", ["concat", "sum"])
def test_each_layer_doubles_the_degree(layers, residual):
    block = FinalBlock(3, (4,) * layers, config(residual=residual, batch_norm=False)).double()
    for p in block.parameters():
        nn.init.uniform_(p, 0.1, 1.0)  # so that every ReLU stays open
    degree = 2**layers
    steps = torch.arange(1, degree + 3, dtype=torch.float64)
    along_ray = block(steps.unsqueeze(1) * torch.rand(3, dtype=torch.float64)).squeeze(1)
    highest = along_ray.diff(n=degree)
    assert (highest.abs() > 1e-6 * along_ray.abs().max()).all()
    torch.testing.assert_close(along_ray.diff(n=degree + 1) / highest[0], torch.zeros(1, dtype=torch.float64))


def test_a_sum_block_with_zero_factors_is_an_mlp():
    block = FinalBlock(3, (4, 5), config(residual="sum", batch_norm=False))
    mlp: list[nn.Module] = []
    for layer in block:
        if isinstance(layer, FactorizedInteraction):
            plain = nn.Linear(layer.linear[0].in_features, layer.parts[0])
            plain.weight.data, factor = layer.linear[0].weight.data.chunk(2)
            plain.bias.data = layer.linear[0].bias.data.chunk(2)[0]
            factor.zero_()
            mlp.append(plain)
        else:
            mlp.append(layer)
    x_BI = torch.randn(6, 3)
    torch.testing.assert_close(block(x_BI), nn.Sequential(*mlp)(x_BI))


def test_batch_norm_comes_between_layer_and_relu():
    kinds = [type(layer) for layer in FinalBlock(3, (4,), config(batch_norm=True))]
    assert kinds[:3] == [FactorizedInteraction, nn.BatchNorm1d, nn.ReLU]


def test_gates_depend_on_all_fields_and_start_at_1():
    gate = FeatureGating(3)
    x_BTD = torch.randn(2, 3, 4)
    torch.testing.assert_close(gate(x_BTD), torch.cat([x_BTD, x_BTD], dim=1))
    nn.init.normal_(gate.weight_TT)
    gates = torch.stack([sum(gate.weight_TT[t, s] * x_BTD[:, s] for s in range(3)) + 1 for t in range(3)], dim=1)
    torch.testing.assert_close(gate(x_BTD)[:, 3:], x_BTD * gates)


def test_the_logit_is_the_mean_of_the_blocks_logits():
    model = FinalNet(config(), 1, [5, 5])
    x_BTD = model.embed(*(inputs := model_checks.batch(1, 2)))
    logits = model.block1(model.gate(x_BTD).flatten(1)), model.block2(x_BTD.flatten(1))
    torch.testing.assert_close(model(*inputs), (logits[0] + logits[1]).squeeze(1) / 2)


def test_flops_match_torchs_counter():
    draw = random.Random(0)
    for _ in range(10):
        drawn = config(
            embedding_dim=draw.randint(1, 16),
            bottom_mlp=draw.choice([(), (7, 3)]),
            block1=[draw.randint(1, 20) for _ in range(draw.randint(1, 3))],
            block2=[draw.randint(1, 20) for _ in range(draw.randint(0, 3))],
            residual=draw.choice(["concat", "sum"]),
            gate=draw.random() < 0.5,
            batch_norm=draw.random() < 0.5,
        )
        for n_dense, n_sparse in model_checks.FIELDS:
            assert drawn.flops(n_dense, n_sparse) == model_checks.counted_flops(FinalNet, drawn, n_dense, n_sparse)


@pytest.mark.parametrize(("n_dense", "n_sparse"), model_checks.EDGE_FIELDS)
@pytest.mark.parametrize("residual", ["concat", "sum"])
def test_every_parameter_gets_a_gradient_for_any_fields(residual, n_dense, n_sparse):
    torch.manual_seed(0)
    model = FinalNet(config(residual=residual, dropout=0.1), n_dense, [5] * n_sparse)
    assert model_checks.without_gradient(model, n_dense, n_sparse) == []


@pytest.mark.parametrize(
    ("data", "fields", "count"),
    [
        ("frappe_x1", {"block1": (400, 400), "block2": (400,)}, 338_502),
        ("movielenslatest_x1", {"block1": (400, 400), "block2": (500,)}, 1_106_234),
        ("criteo_x1", {"block1": (400, 400), "block2": (400, 400)}, 21_658_582),
        ("avazu_x1", {"block1": (800,), "block2": (800, 800)}, 14_163_518),
        ("criteo_x4", {"embedding_dim": 16, "block1": (1000,) * 3, "block2": (512,)}, 18_153_050),
        ("avazu_x4", {"embedding_dim": 16, "block1": (2000,) * 3, "block2": (500,)}, 69_766_586),
        ("frappe_x1", {"block1": (400, 400), "block2": (), "gate": False}, 256_791),
        ("movielenslatest_x1", {"block1": (400,), "block2": (), "gate": False}, 916_021),
        ("criteo_x1", {"block1": (1000, 1000), "block2": ()}, 22_651_981),
        ("avazu_x1", {"block1": (400,) * 3, "block2": (), "gate": False}, 13_398_211),
    ],
)
def test_parameters_match_the_logs_of_bars(data, fields, count):
    """2B with the gate; 1B without the gate, except on Criteo. All have batch norm, concat and the tables of FuxiCTR 2."""
    published = FinalNetConfig(**{"embedding_dim": 10, "batch_norm": True, **fields})
    assert model_checks.parameters(FinalNet, published, *model_checks.published(data, 2)) == count
