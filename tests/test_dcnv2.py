import pytest
import torch
from naive import batch, build, normal, tokens
from torch import nn

from models.dcnv2 import CrossLayer, DCNv2Config
from models.mlp import MLPConfig


def test_two_cross_layers_by_hand() -> None:
    first, second = CrossLayer(2, rank=None), CrossLayer(2, rank=None)
    for layer in (first, second):
        layer.linear.weight.data = torch.tensor([[1.0, 0.0], [2.0, 1.0]])
        layer.linear.bias.data = torch.tensor([0.5, -1.0])
    x0 = torch.tensor([[1.0, 2.0]])
    x1 = first(x0, x0)  # W x_0 + b = (1.5, 3), times x_0 = (1.5, 6), plus x_0
    assert x1.tolist() == [[2.5, 8.0]]
    x2 = second(x0, x1)  # W x_1 + b = (3, 12), times x_0 = (3, 24), plus x_1
    assert x2.tolist() == [[5.5, 32.0]]


def test_a_cross_layer_of_low_rank_is_a_full_one_with_w_equal_to_u_v() -> None:
    low, full = CrossLayer(6, rank=2).double(), CrossLayer(6, rank=None).double()
    v, u = low.linear  # V^T (2 x 6), U (6 x 2) with the bias
    nn.init.normal_(u.bias)
    full.load_state_dict({"linear.weight": u.weight @ v.weight, "linear.bias": u.bias})
    x0, x = normal(2, 5, 6)
    torch.testing.assert_close(low(x0, x), full(x0, x))


def test_parallel_feeds_the_cross_and_the_deep_output_to_the_final_weights() -> None:
    model = build("dcnv2", DCNv2Config(embedding_dim=4, cross_layers=2, hidden=(6,)), 2, 3)
    dense_BN, sparse_BF = batch(2, 3)
    for b, token in enumerate(tokens(model, dense_BN, sparse_BF)):
        x0 = x = torch.cat(token)
        for layer in model.cross:
            x = x0 * (layer.linear.weight @ x + layer.linear.bias) + x
        deep = (model.deep[0].weight @ x0 + model.deep[0].bias).clamp(min=0)
        logit = model.output[0].weight[0] @ torch.cat([x, deep]) + model.output[0].bias[0]
        torch.testing.assert_close(model(dense_BN, sparse_BF)[b], logit)


def test_stacked_feeds_the_cross_output_to_the_deep_network() -> None:
    model = build("dcnv2", DCNv2Config(embedding_dim=4, cross_layers=2, hidden=(6,), structure="stacked"), 2, 3)
    dense_BN, sparse_BF = batch(2, 3)
    for b, token in enumerate(tokens(model, dense_BN, sparse_BF)):
        x0 = x = torch.cat(token)
        for layer in model.cross:
            x = x0 * (layer.linear.weight @ x + layer.linear.bias) + x
        deep = (model.deep[0].weight @ x + model.deep[0].bias).clamp(min=0)
        logit = model.output[0].weight[0] @ deep + model.output[0].bias[0]
        torch.testing.assert_close(model(dense_BN, sparse_BF)[b], logit)


@pytest.mark.parametrize("rank", [None, 3])
@pytest.mark.parametrize("structure", ["stacked", "parallel"])
def test_with_zero_cross_weights_it_is_an_mlp(structure: str, rank: int | None) -> None:
    config = DCNv2Config(embedding_dim=4, cross_layers=2, rank=rank, hidden=(6, 5), structure=structure)
    dcnv2 = build("dcnv2", config, 2, 3)
    mlp = build("mlp", MLPConfig(embedding_dim=4, hidden=(6, 5)), 2, 3)
    for p in dcnv2.cross.parameters():
        nn.init.zeros_(p)
    mlp.embed.load_state_dict(dcnv2.embed.state_dict())
    with torch.no_grad():
        for theirs, ours in zip(mlp.mlp[:-1].parameters(), dcnv2.deep.parameters(), strict=True):
            theirs.copy_(ours)
        if structure == "parallel":
            dcnv2.output[0].weight[:, :20] = 0  # the final weights of x_0 itself
        mlp.mlp[-1].weight.copy_(dcnv2.output[0].weight[:, -5:])
        mlp.mlp[-1].bias.copy_(dcnv2.output[0].bias)
    torch.testing.assert_close(dcnv2(*batch(2, 3)), mlp(*batch(2, 3)))


def test_l_cross_layers_are_a_polynomial_of_degree_l_plus_1() -> None:
    """Along a ray, the finite difference of order l + 1 is not zero and that of order l + 2 is."""
    torch.manual_seed(0)
    layers = [CrossLayer(4, rank=None).double() for _ in range(3)]
    ray = normal(1, 4)
    x0 = x = torch.arange(7, dtype=torch.float64).unsqueeze(1) * ray
    for n_layers, layer in enumerate(layers, start=1):
        x = layer(x0, x)
        difference = x.diff(n=n_layers + 1, dim=0)
        assert difference.abs().max() > 1e-3
        torch.testing.assert_close(difference.diff(dim=0), torch.zeros_like(difference[1:]), atol=1e-9, rtol=0)
