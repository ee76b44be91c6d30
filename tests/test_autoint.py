import math

import pytest
import torch
from naive import batch, build, layer_norm, normal
from torch import nn

from models.autoint import VECTOR, AutoIntConfig, InteractingLayer


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize(("n_in", "n_tokens"), [(4, 3), (6, 3), (4, VECTOR)])
def test_the_interacting_layer_is_equations_5_to_8(n_in: int, n_tokens: int, normed: bool, scaled: bool) -> None:
    """Head by head and token by token; the residual is projected only if the widths differ."""
    heads, a = 2, 6
    head_dim = a // heads
    config = AutoIntConfig(embedding_dim=4, attention_dim=a, heads=heads, scaled=scaled, layer_norm=normed)
    layer = InteractingLayer(n_in, config).double()
    if normed:
        nn.init.normal_(layer.norm.weight)
        nn.init.normal_(layer.norm.bias)
    x_BTD = normal(2, n_tokens, n_in)
    for b in range(2):
        e = x_BTD[b]
        for m in range(n_tokens):
            concatenated = []
            for h in range(heads):
                rows = slice(h * head_dim, (h + 1) * head_dim)
                w_q, w_k, w_v = (linear.weight[rows] for linear in (layer.query, layer.key, layer.value))
                psi = [(w_q @ e[m]) @ (w_k @ e[k]) / (math.sqrt(head_dim) if scaled else 1) for k in range(n_tokens)]
                total = sum(p.exp() for p in psi)
                concatenated.append(sum(psi[k].exp() / total * (w_v @ e[k]) for k in range(n_tokens)))
            residual = e[m] if n_in == a else layer.residual.weight @ e[m]
            out = torch.cat(concatenated) + residual
            out = layer_norm(out, layer.norm) if normed else out
            torch.testing.assert_close(layer(x_BTD)[b, m], out.clamp(min=0))


def test_with_zero_queries_every_token_gets_the_mean_value() -> None:
    layer = InteractingLayer(4, AutoIntConfig(embedding_dim=4, attention_dim=4, heads=2)).double()
    nn.init.zeros_(layer.query.weight)
    x_BTD = normal(2, 5, 4)
    mean_B1A = layer.value(x_BTD).mean(1, keepdim=True)
    torch.testing.assert_close(layer(x_BTD), (mean_B1A + x_BTD).clamp(min=0))


def test_attention_commutes_with_a_permutation_of_the_fields() -> None:
    layer = InteractingLayer(4, AutoIntConfig(embedding_dim=4, attention_dim=6, heads=2)).double()
    x_BTD, order = normal(2, 5, 4), [3, 0, 4, 1, 2]
    torch.testing.assert_close(layer(x_BTD[:, order]), layer(x_BTD)[:, order])


def test_the_plus_adds_a_deep_network_and_wide_adds_first_order_weights() -> None:
    config = AutoIntConfig(embedding_dim=4, layers=2, attention_dim=6, heads=2, hidden=(7,), wide=True)
    model = build("autoint", config, 2, 3)
    plain = build("autoint", AutoIntConfig(embedding_dim=4, layers=2, attention_dim=6, heads=2, hidden=()), 2, 3)
    assert plain.deep is None and plain.linear is None
    plain.load_state_dict({name: value for name, value in model.state_dict().items() if name in plain.state_dict()})
    inputs = batch(2, 3)
    output, e_BTA = plain.output[0], plain.attention(plain.embed(*inputs))
    torch.testing.assert_close(plain(*inputs), e_BTA.flatten(1) @ output.weight[0] + output.bias[0])
    deep = model.deep(model.embed(*inputs).flatten(1)).squeeze(1)
    torch.testing.assert_close(model(*inputs), plain(*inputs) + deep + model.linear(*inputs).squeeze(1))
