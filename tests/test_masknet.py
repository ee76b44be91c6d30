import random

import model_checks
import pytest
import torch
from torch import Tensor, nn

from models.masknet import FieldNorm, MaskNet, MaskNetConfig

HIDDEN = (400, 400, 400)


def config(**fields: object) -> MaskNetConfig:
    return MaskNetConfig(**{"embedding_dim": 4, "embedding_std": 0.5, "blocks": (6, 5), "hidden": (7,), **fields})


def norm(v: list[float]) -> list[float]:
    mean = sum(v) / len(v)
    variance = sum((x - mean) ** 2 for x in v) / len(v)
    return [(x - mean) / (variance + 1e-5) ** 0.5 for x in v]


def linear(layer: nn.Linear, v: list[float]) -> list[float]:
    bias = [0.0] * layer.out_features if layer.bias is None else layer.bias.tolist()
    return [
        sum(w * x for w, x in zip(row, v, strict=True)) + b for row, b in zip(layer.weight.tolist(), bias, strict=True)
    ]


def relu(v: list[float]) -> list[float]:
    return [max(0.0, x) for x in v]


def naive_logit(model: MaskNet, x_TD: list[list[float]], *, serial: bool) -> float:
    v_emb = [x for e in x_TD for x in e]
    normed = [x for e in x_TD for x in norm(e)]
    outputs, v = [], normed
    for block in model.blocks:
        mask = linear(block.mask[2], relu(linear(block.mask[0], v_emb)))
        v = relu(norm(linear(block.linear, [m * x for m, x in zip(mask, v, strict=True)])))
        outputs.append(v)
        v = v if serial else normed
    v = outputs[-1] if serial else [x for output in outputs for x in output]
    for layer in model.mlp:
        v = linear(layer, v) if isinstance(layer, nn.Linear) else relu(v)
    return v[0]


@pytest.mark.parametrize("structure", ["serial", "parallel"])
def test_logits_match_equations_4_to_17_in_loops(structure):
    torch.manual_seed(0)
    model = MaskNet(config(structure=structure), 1, [5, 5]).double()
    dense_BN, sparse_BF = model_checks.batch(1, 2, size=6)
    x_BTD = model.embed(dense_BN.double(), sparse_BF)
    expected = [naive_logit(model, x_TD, serial=structure == "serial") for x_TD in x_BTD.tolist()]
    torch.testing.assert_close(model(dense_BN.double(), sparse_BF), torch.tensor(expected, dtype=torch.float64))


def test_field_norm_has_a_gain_and_a_bias_per_field():
    layer = FieldNorm(3, 4)
    x_BTD = torch.randn(2, 3, 4)
    nn.init.normal_(layer.gain_TD)
    nn.init.normal_(layer.bias_TD)
    for t in range(3):
        own = nn.LayerNorm(4)
        own.weight.data, own.bias.data = layer.gain_TD[t], layer.bias_TD[t]
        torch.testing.assert_close(layer(x_BTD)[:, t], own(x_BTD[:, t]))


def test_serial_blocks_with_masks_of_1_are_an_mlp_with_layer_norm():
    model = MaskNet(config(structure="serial", hidden=(), emb_norm=False), 0, [5, 5])
    layers: list[nn.Module] = []
    for block in model.blocks:
        nn.init.zeros_(block.mask[2].weight)
        nn.init.ones_(block.mask[2].bias)
        layers += [block.linear, block.norm, nn.ReLU()]
    dense_BN, sparse_BF = model_checks.batch(0, 2)
    mlp = nn.Sequential(nn.Flatten(), *layers, *model.mlp)
    torch.testing.assert_close(model(dense_BN, sparse_BF), mlp(model.embed(dense_BN, sparse_BF)).squeeze(1))


def test_the_mask_of_every_serial_block_reads_the_embeddings():
    model = MaskNet(config(structure="serial"), 1, [5, 5])
    read: list[Tensor] = []
    for block in model.blocks:
        block.mask.register_forward_pre_hook(lambda module, inputs: read.append(inputs[0]))
    dense_BN, sparse_BF = model_checks.batch(1, 2)
    model(dense_BN, sparse_BF)
    for v in read:
        torch.testing.assert_close(v, model.embed(dense_BN, sparse_BF).flatten(1))
    assert len(read) == 2


def test_one_serial_block_equals_one_parallel_block():
    serial, parallel = (MaskNet(config(structure=s, blocks=(6,)), 1, [5, 5]) for s in ("serial", "parallel"))
    parallel.load_state_dict(serial.state_dict())
    inputs = model_checks.batch(1, 2)
    torch.testing.assert_close(serial(*inputs), parallel(*inputs))


def test_flops_match_torchs_counter():
    draw = random.Random(0)
    for _ in range(10):
        drawn = config(
            embedding_dim=draw.randint(1, 16),
            bottom_mlp=draw.choice([(), (7, 3)]),
            structure=draw.choice(["serial", "parallel"]),
            blocks=[draw.randint(1, 20) for _ in range(draw.randint(1, 4))],
            reduction=draw.uniform(0.01, 4),
            hidden=[draw.randint(1, 20) for _ in range(draw.randint(0, 3))],
            emb_norm=draw.random() < 0.5,
            hidden_norm=draw.random() < 0.5,
        )
        for n_dense, n_sparse in model_checks.FIELDS:
            assert drawn.flops(n_dense, n_sparse) == model_checks.counted_flops(MaskNet, drawn, n_dense, n_sparse)


@pytest.mark.parametrize(("n_dense", "n_sparse"), model_checks.EDGE_FIELDS)
@pytest.mark.parametrize("structure", ["serial", "parallel"])
def test_every_parameter_gets_a_gradient_for_any_fields(structure, n_dense, n_sparse):
    torch.manual_seed(0)
    model = MaskNet(config(structure=structure, dropout=0.1), n_dense, [5] * n_sparse)
    assert model_checks.without_gradient(model, n_dense, n_sparse) == []


@pytest.mark.parametrize(
    ("source", "data", "version", "fields", "count"),
    [
        ("BARS", "frappe_x1", 1, {"blocks": (50,) * 3, "hidden": HIDDEN}, 571_691),
        ("BARS", "movielenslatest_x1", 1, {"structure": "serial", "blocks": HIDDEN, "reduction": 4}, 2_624_541),
        ("BARS", "criteo_x1", 1, {"structure": "serial", "blocks": HIDDEN, "reduction": 0.2}, 21_530_629),
        ("BARS", "avazu_x1", 1, {"structure": "serial", "blocks": HIDDEN, "emb_norm": True}, 14_585_891),
        (
            "BARS",
            "criteo_x4",
            2,
            {"embedding_dim": 16, "blocks": (500, 500), "reduction": 0.1, "hidden": (1000,) * 5, "hidden_norm": False},
            20_358_077,
        ),
        (
            "BARS",
            "avazu_x4",
            2,
            {"embedding_dim": 16, "blocks": (500,) * 6, "reduction": 0.8, "hidden": (2000,) * 3, "hidden_norm": False},
            76_594_787,
        ),
        ("Wukong", "movielenslatest_x1", 2, {"structure": "serial", "blocks": HIDDEN, "reduction": 4}, 2_624_571),
        ("Wukong", "frappe_x1", 2, {"embedding_dim": 128, "blocks": (100,) * 3, "hidden": HIDDEN}, 21_189_593),
        (
            "Wukong",
            "criteo_tb",
            1,
            {
                "embedding_dim": 128,
                "bottom_mlp": (512, 256),
                "blocks": (128,),
                "reduction": 1,
                "hidden": (512,),
                "emb_norm": True,
            },
            26_160_209_153,
        ),
    ],
)
def test_parameters_match_the_published_counts(source, data, version, fields, count):
    """BARS's logs, with their settings; Wukong Table 3, with BARS's settings except d = 128 and blocks of 100 on Frappe, and
    with a point of App. A's search space on Criteo."""
    published = MaskNetConfig(**{"embedding_dim": 10, "emb_norm": False, "hidden": (), **fields})
    assert model_checks.parameters(MaskNet, published, *model_checks.published(data, version)) == count


@pytest.mark.parametrize(
    ("fields", "n_dense", "n_sparse", "mflop"),
    [
        ({"embedding_dim": 10, "structure": "serial", "blocks": HIDDEN, "reduction": 4, "hidden": ()}, 0, 3, 10.30),
        ({"embedding_dim": 128, "blocks": (100,) * 3, "hidden": HIDDEN}, 0, 10, 122.92),
        (
            {"embedding_dim": 128, "bottom_mlp": (512, 256), "blocks": (128,), "reduction": 1, "hidden": (512,)},
            13,
            26,
            147.40,
        ),
    ],
)
def test_training_flops_match_wukong_table_3(fields, n_dense, n_sparse, mflop):
    assert 3e-6 * MaskNetConfig(**fields).flops(n_dense, n_sparse) == pytest.approx(mflop, rel=1e-3)
