import random

import model_checks
import pytest
import torch
from torch import nn

from models.afn import AFN, EPSILON, AFNConfig, LogarithmicTransformation

HIDDEN = (400, 400, 400)


def config(**fields: object) -> AFNConfig:
    return AFNConfig(
        **{"embedding_dim": 4, "embedding_std": 0.5, "neurons": 6, "afn_hidden": (5,), "hidden": (7,), **fields}
    )


def without_norms(layer: LogarithmicTransformation) -> LogarithmicTransformation:
    layer.log_norm = layer.exp_norm = nn.Identity()
    return layer


def test_neurons_equal_products_of_powers_in_loops():
    layer = without_norms(LogarithmicTransformation(3, 5))
    x_BTD = torch.randn(2, 3, 4)
    for b in range(2):
        for j in range(5):
            for d in range(4):
                y = 1.0
                for i in range(3):
                    y *= abs(x_BTD[b, i, d].item()) ** layer.weight_LT[j, i].item()
                torch.testing.assert_close(layer(x_BTD)[b, j, d].item(), y, rtol=1e-5, atol=0.0)


def test_powers_set_by_hand_give_any_interaction():
    layer = without_norms(LogarithmicTransformation(3, 3))
    layer.weight_LT.data = torch.tensor([[1.0, 1.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, -1.0]])
    e1, e2, e3 = x_TD = torch.rand(3, 4) + 0.1
    torch.testing.assert_close(layer(x_TD.unsqueeze(0))[0], torch.stack([e1 * e2, e2**2, 1 / e3]))


def test_only_the_absolute_value_counts_and_it_is_at_least_epsilon():
    layer = LogarithmicTransformation(2, 3)
    x_BTD = torch.randn(5, 2, 4)
    torch.testing.assert_close(layer(-x_BTD), layer(x_BTD))
    x_BTD[:, 0] = 0
    tiny_BTD = x_BTD.clone()
    tiny_BTD[:, 0] = EPSILON
    torch.testing.assert_close(layer(x_BTD), layer(tiny_BTD))


def test_norms_run_over_examples_and_elements_of_each_field_and_neuron():
    layer = LogarithmicTransformation(2, 3)
    x_BTD = torch.rand(5, 2, 4) + 0.1

    def norm(v):
        return (v - v.mean()) / (v.var(unbiased=False) + 1e-5).sqrt()

    log_BTD = torch.stack([norm(x_BTD[:, t].log()) for t in range(2)], dim=1)
    y_BLD = torch.stack([norm((w[0] * log_BTD[:, 0] + w[1] * log_BTD[:, 1]).exp()) for w in layer.weight_LT], dim=1)
    torch.testing.assert_close(layer(x_BTD), y_BLD)


def test_the_logit_is_a_weighted_sum_of_two_networks_with_separate_embeddings():
    model = AFN(config(), 1, [5, 5]).eval()
    inputs = model_checks.batch(1, 2)
    logit_afn = model.afn(model.transformation(model.embed(*inputs)).flatten(1))
    logit_deep = model.deep(model.deep_embed(*inputs).flatten(1))
    w, b = model.output[0].weight[0], model.output[0].bias
    torch.testing.assert_close(model(*inputs), (w[0] * logit_afn + w[1] * logit_deep + b).squeeze(1))
    assert not model.deep_embed.table.weight.equal(model.embed.table.weight)


def test_both_tables_and_both_sets_of_dense_embeddings_count_as_embeddings():
    sizes = {
        shared: sum(p.numel() for p in AFN(config(shared_embedding=shared), 3, [5, 6]).embedding_parameters())
        for shared in (False, True)
    }
    assert sizes == {False: 2 * (3 + 11) * 4, True: (3 + 11) * 4}


def test_no_parameter_is_optimised_twice_or_left_out():
    model = AFN(config(), 3, [5, 6])
    [adam] = model.configure_optimizers()
    groups = adam.param_groups
    optimised = [id(p) for group in groups for p in group["params"]]
    assert sorted(optimised) == sorted(id(p) for p in model.parameters())


def test_without_a_deep_network_it_is_afn():
    model = AFN(config(hidden=()), 1, [5, 5])
    inputs = model_checks.batch(1, 2)
    logit_B1 = model.afn(model.transformation(model.embed(*inputs)).flatten(1))
    torch.testing.assert_close(model(*inputs), logit_B1.squeeze(1))


def test_flops_match_torchs_counter():
    draw = random.Random(0)
    for _ in range(10):
        drawn = config(
            embedding_dim=draw.randint(1, 16),
            bottom_mlp=draw.choice([(), (7, 3)]),
            neurons=draw.randint(1, 20),
            afn_hidden=[draw.randint(1, 20) for _ in range(draw.randint(0, 3))],
            hidden=[draw.randint(1, 20) for _ in range(draw.randint(0, 3))],
            shared_embedding=draw.random() < 0.5,
            batch_norm=draw.random() < 0.5,
        )
        for n_dense, n_sparse in model_checks.FIELDS:
            assert drawn.flops(n_dense, n_sparse) == model_checks.counted_flops(AFN, drawn, n_dense, n_sparse)


@pytest.mark.parametrize(("n_dense", "n_sparse"), model_checks.EDGE_FIELDS)
@pytest.mark.parametrize("shared_embedding", [False, True])
def test_every_parameter_gets_a_gradient_for_any_fields(shared_embedding, n_dense, n_sparse):
    torch.manual_seed(0)
    model = AFN(config(shared_embedding=shared_embedding, dropout=0.1), n_dense, [5] * n_sparse)
    assert model_checks.without_gradient(model, n_dense, n_sparse) == []


@pytest.mark.parametrize(
    ("source", "data", "version", "fields", "count"),
    [
        ("BARS", "frappe_x1", 1, {"neurons": 1000, "afn_hidden": (400,), "hidden": HIDDEN}, 4_482_205),
        ("BARS", "movielenslatest_x1", 1, {"neurons": 800, "afn_hidden": (200,), "hidden": HIDDEN}, 3_742_791),
        (
            "BARS",
            "criteo_x1",
            1,
            {"neurons": 100, "afn_hidden": (200,), "hidden": HIDDEN, "batch_norm": True},
            42_411_303,
        ),
        (
            "BARS",
            "criteo_x4",
            1,
            {
                "embedding_dim": 16,
                "neurons": 1200,
                "afn_hidden": (1000,) * 4,
                "hidden": (1000,) * 5,
                "batch_norm": True,
            },
            56_044_939,
        ),
        (
            "BARS",
            "avazu_x1",
            1,
            {"neurons": 1500, "afn_hidden": (1200,), "hidden": HIDDEN, "batch_norm": True},
            44_424_829,
        ),
        (
            "BARS",
            "avazu_x4",
            1,
            {
                "embedding_dim": 16,
                "neurons": 1200,
                "afn_hidden": (1000, 1000),
                "hidden": (1000, 1000),
                "batch_norm": True,
            },
            141_660_453,
        ),
        (
            "BARS, AFN",
            "avazu_x4",
            1,
            {"embedding_dim": 16, "neurons": 1200, "afn_hidden": (1000, 1000), "batch_norm": True},
            80_253_849,
        ),
        (
            "BARS, AFN",
            "criteo_x4",
            1,
            {"embedding_dim": 16, "neurons": 1200, "afn_hidden": (1000,) * 4, "batch_norm": True},
            36_833_607,
        ),
        ("BARS, AFN", "frappe_x1", 1, {"neurons": 1000, "afn_hidden": (400,)}, 4_066_711),
        ("BARS, AFN", "movielenslatest_x1", 1, {"neurons": 800, "afn_hidden": (200,)}, 2_506_797),
        ("BARS, AFN", "criteo_x1", 1, {"neurons": 400, "afn_hidden": (800,)}, 24_081_239),
        ("BARS, AFN", "avazu_x1", 1, {"neurons": 1500, "afn_hidden": (400,)}, 19_022_835),
        (
            "Wukong",
            "frappe_x1",
            2,
            {"embedding_dim": 32, "neurons": 1000, "afn_hidden": (400,), "hidden": HIDDEN},
            13_607_961,
        ),
        (
            "Wukong",
            "movielenslatest_x1",
            2,
            {"embedding_dim": 32, "neurons": 800, "afn_hidden": (200,), "hidden": HIDDEN},
            11_259_899,
        ),
        (
            "Wukong",
            "criteo_tb",
            1,
            {
                "embedding_dim": 128,
                "bottom_mlp": (512, 256),
                "neurons": 1024,
                "afn_hidden": (2048,) * 4,
                "hidden": (2048,) * 4,
                "shared_embedding": True,
            },
            26_436_527_675,
        ),
    ],
)
def test_parameters_match_the_published_counts(source, data, version, fields, count):
    """BARS's logs, with their settings; Wukong Table 3, with BARS's settings except d = 32 on Frappe and MovieLens, and with
    a point of App. A's search space and one table for both networks on Criteo."""
    published = AFNConfig(**{"embedding_dim": 10, "hidden": (), **fields})
    assert model_checks.parameters(AFN, published, *model_checks.published(data, version)) == count


@pytest.mark.parametrize(
    ("fields", "n_dense", "n_sparse", "mflop"),
    [
        ({"embedding_dim": 32, "neurons": 1000, "afn_hidden": (400,), "hidden": HIDDEN}, 0, 10, 81.45),
        ({"embedding_dim": 32, "neurons": 800, "afn_hidden": (200,), "hidden": HIDDEN}, 0, 3, 33.36),
        (
            {
                "embedding_dim": 128,
                "bottom_mlp": (512, 256),
                "neurons": 1024,
                "afn_hidden": (2048,) * 4,
                "hidden": (2048,) * 4,
                "shared_embedding": True,
            },
            13,
            26,
            1826.50,
        ),
    ],
)
def test_training_flops_match_wukong_table_3(fields, n_dense, n_sparse, mflop):
    assert 3e-6 * AFNConfig(**fields).flops(n_dense, n_sparse) == pytest.approx(mflop, rel=1e-3)
