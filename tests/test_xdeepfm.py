import random

import pytest
import torch
from model_checks import EDGE_FIELDS, FIELDS, counted_flops, without_gradient
from naive import batch, build, normal, tokens
from torch import nn

from models.fm import FMConfig
from models.xdeepfm import CompressedInteractionNetwork, XDeepFM, XDeepFMConfig


@pytest.mark.parametrize("bias", [False, True])
def test_the_cin_is_equations_6_and_7(bias: bool) -> None:
    m, d, counts = 3, 4, (2, 5)
    cin = CompressedInteractionNetwork(m, counts, bias).double()
    x_BTD = normal(2, m, d)
    for b in range(2):
        x0 = x = [[x_BTD[b, i, e] for e in range(d)] for i in range(m)]
        pooled = []
        for layer, count in zip(cin.layers, counts, strict=True):
            w_HIJ = layer.weight.unflatten(1, (len(x), m))
            next_x = []
            for h in range(count):
                row = [layer.bias[h] if bias else torch.zeros((), dtype=torch.float64)] * d
                for i in range(len(x)):
                    for j in range(m):
                        row = [row[e] + w_HIJ[h, i, j] * x[i][e] * x0[j][e] for e in range(d)]
                next_x.append(row)
            x = next_x
            pooled += [sum(row) for row in x]
        torch.testing.assert_close(cin(x_BTD)[b], torch.stack(pooled))


def test_layer_k_of_the_cin_has_degree_k_plus_1() -> None:
    cin = CompressedInteractionNetwork(3, (2, 2, 2), bias=False).double()
    x_BTD = normal(4, 3, 5)
    scale_P = 3.0 ** torch.tensor([2, 2, 3, 3, 4, 4], dtype=torch.float64)
    torch.testing.assert_close(cin(3 * x_BTD), cin(x_BTD) * scale_P)


def test_a_cin_of_one_row_that_weighs_each_pair_once_is_an_fm() -> None:
    """Section 3.3: with one layer of one feature map xDeepFM generalises DeepFM."""
    xdeepfm = build("xdeepfm", XDeepFMConfig(embedding_dim=4, cin=(1,), hidden=()), 2, 3)
    fm = build("fm", FMConfig(embedding_dim=4), 2, 3)
    with torch.no_grad():
        xdeepfm.cin.layers[0].weight.copy_(torch.ones(5, 5).triu(1).reshape(1, 25))
        xdeepfm.output[0].weight.fill_(1)
        xdeepfm.output[0].bias.copy_(fm.bias)
    fm.embed.load_state_dict(xdeepfm.embed.state_dict())
    fm.linear.load_state_dict(xdeepfm.linear.state_dict())
    torch.testing.assert_close(xdeepfm(*batch(2, 3)), fm(*batch(2, 3)))


def test_the_logit_is_the_sum_of_the_linear_deep_and_cin_parts() -> None:
    model = build("xdeepfm", XDeepFMConfig(embedding_dim=4, cin=(3, 2), hidden=(6, 3)), 2, 3)
    dense_BN, sparse_BF = batch(2, 3)
    layers = [layer for layer in model.deep if isinstance(layer, nn.Linear)]
    for b, x in enumerate(tokens(model, dense_BN, sparse_BF)):
        p = model.cin(torch.stack(x).unsqueeze(0))[0]
        a = torch.cat(x)
        for layer in layers[:-1]:
            a = (layer.weight @ a + layer.bias).clamp(min=0)
        logit = model.linear(dense_BN, sparse_BF)[b, 0] + model.output[0].weight[0] @ p + layers[-1].weight[0] @ a
        logit = logit + model.output[0].bias[0] + layers[-1].bias[0]
        torch.testing.assert_close(model(dense_BN, sparse_BF)[b], logit)


@pytest.mark.parametrize(("n_dense", "n_sparse"), FIELDS)
def test_flops_match_torchs_counter(n_dense: int, n_sparse: int) -> None:
    rng = random.Random(n_sparse)
    for _ in range(30):
        config = XDeepFMConfig(
            embedding_dim=rng.randint(1, 16),
            cin=tuple(rng.randint(1, 20) for _ in range(rng.randint(1, 4))),
            cin_bias=rng.random() < 0.5,
            hidden=tuple(rng.randint(1, 60) for _ in range(rng.randint(0, 3))),
            bottom_mlp=rng.choice([(), (rng.randint(1, 20),)]),
            batch_norm=rng.random() < 0.5,
        )
        assert counted_flops(XDeepFM, config, n_dense, n_sparse) == config.flops(n_dense, n_sparse), config


@pytest.mark.parametrize("hidden", [(), (16, 16)])
def test_gradients_reach_every_parameter(hidden: tuple[int, ...]) -> None:
    for n_dense, n_sparse in EDGE_FIELDS:
        config = XDeepFMConfig(embedding_dim=4, cin=(3, 3), cin_bias=True, hidden=hidden)
        assert not without_gradient(XDeepFM(config, n_dense, [5] * n_sparse), n_dense, n_sparse)
