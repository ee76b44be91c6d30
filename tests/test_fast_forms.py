"""Faster forms of the papers' equations give equal results."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from models.base import Linear, combinations, linear
from models.wukong import FactorizationMachineBlock, LinearCompressBlock, WukongConfig

B, T, D = 5, 7, 3


def test_combinations_equal_w_times_x_and_its_gradients() -> None:
    torch.manual_seed(0)
    weight_OT, x_BTD = torch.randn(4, T, requires_grad=True), torch.randn(B, T, D, requires_grad=True)
    fast, paper = combinations(weight_OT, x_BTD), weight_OT @ x_BTD
    torch.testing.assert_close(fast, paper)
    for mine, other in zip(
        torch.autograd.grad(fast.square().sum(), (weight_OT, x_BTD)),
        torch.autograd.grad(paper.square().sum(), (weight_OT, x_BTD)),
        strict=True,
    ):
        torch.testing.assert_close(mine, other)


def test_wukongs_blocks_equal_the_papers_products() -> None:
    torch.manual_seed(0)
    x_BTD = torch.randn(B, T, D)
    block = FactorizationMachineBlock(T, 2, WukongConfig(embedding_dim=D, n_fmb=2, rank=4, fmb_mlp=(6,)))
    fm_BTK = x_BTD @ x_BTD.transpose(1, 2) @ block.y_TK
    torch.testing.assert_close(block(x_BTD), block.mlp(block.norm(fm_BTK.flatten(1))).unflatten(1, (2, D)))
    compress = LinearCompressBlock(T, 4)
    torch.testing.assert_close(compress(x_BTD), torch.einsum("ot,btd->bod", compress.weight_OT, x_BTD))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("n_in", "n_out"), [(16, 13), (13, 16), (13, 21), (1, 1)])
def test_a_large_product_in_padded_rows_equals_torchs_linear(
    n_in: int, n_out: int, bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear, "WORTH", 0)
    torch.manual_seed(0)
    fast, plain = Linear(n_in, n_out, bias=bias), nn.Linear(n_in, n_out, bias=bias)
    plain.load_state_dict(fast.state_dict())
    drawn_BI = torch.randn(B, n_in)
    results = []
    for layer in (fast, plain):
        x_BI = drawn_BI.clone().requires_grad_()
        with FlopCounterMode(display=False) as counter:
            y_BO = layer(x_BI)
            y_BO.square().sum().backward()
        assert counter.get_total_flops() == 6 * B * n_in * n_out
        results.append((y_BO, x_BI.grad, *(parameter.grad for parameter in layer.parameters())))
    assert results[0][0].stride(0) % linear.ALIGNED == 0
    for mine, other in zip(*results, strict=True):
        torch.testing.assert_close(mine, other)


def test_rows_are_padded_only_where_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x_BI = Linear(16, 13), torch.randn(B, 16)
    assert layer(x_BI).stride() == (13, 1)  # too small
    monkeypatch.setattr(linear, "WORTH", 0)
    assert layer(x_BI).stride() == (16, 1)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x_BI).dtype == torch.bfloat16
    assert layer(x_BI.expand(2, B, 16)).shape == (2, B, 13)
