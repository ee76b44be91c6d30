"""Where a model is computed otherwise than its paper writes it, both are equal."""

import torch

from models.wukong import FactorizationMachineBlock, LinearCompressBlock, WukongConfig, combinations

B, T, D = 5, 7, 3


def test_combinations_are_w_times_x_with_its_gradients() -> None:
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


def test_wukongs_blocks_are_the_papers_products() -> None:
    torch.manual_seed(0)
    x_BTD = torch.randn(B, T, D)
    block = FactorizationMachineBlock(T, 2, WukongConfig(embedding_dim=D, n_fmb=2, rank=4, fmb_mlp=(6,)))
    fm_BTK = x_BTD @ x_BTD.transpose(1, 2) @ block.y_TK
    torch.testing.assert_close(block(x_BTD), block.mlp(block.norm(fm_BTK.flatten(1))).unflatten(1, (2, D)))
    compress = LinearCompressBlock(T, 4)
    torch.testing.assert_close(compress(x_BTD), torch.einsum("ot,btd->bod", compress.weight_OT, x_BTD))
