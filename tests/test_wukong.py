import pytest
import torch
from naive import CARDINALITY, batch, build, layer_norm, normal
from torch import Tensor, nn

from models.wukong import AttentiveY, FactorizationMachineBlock, LinearCompressBlock, WukongConfig, WukongLayer

CONFIG = WukongConfig(embedding_dim=4, layers=2, n_fmb=2, n_lcb=3, rank=3, fmb_mlp=(7,), top_mlp=(6,), bottom_mlp=(5,))


def drawn(layer: nn.Module) -> nn.Module:
    """The layer in float64, every weight, bias and scale drawn."""
    for p in layer.double().parameters():
        nn.init.normal_(p, std=0.5)
    return layer


def chain(mlp: nn.Sequential, a: Tensor) -> Tensor:
    """Affine maps with a ReLU after each but the last."""
    layers = [layer for layer in mlp if isinstance(layer, nn.Linear)]
    for layer in layers:
        a = layer.weight @ a + layer.bias
        a = a.clamp(min=0) if layer is not layers[-1] else a
    return a


def naive_layer(layer: WukongLayer, x: Tensor, n_fmb: int, n_lcb: int) -> Tensor:
    """One layer on the embeddings x (n, d) of one row, by the sums of sections 3.3 to 3.6."""
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


def test_the_optimised_fm_equals_the_full_one() -> None:
    """X (X^T Y) == (X X^T) Y, section 3.6."""
    fmb = drawn(FactorizationMachineBlock(6, CONFIG))
    fmb.norm, fmb.mlp, fmb.n_out = nn.Identity(), nn.Identity(), 6  # so that the FM itself comes out
    x_BTD = normal(2, 6, 4)
    torch.testing.assert_close(fmb(x_BTD), (x_BTD @ x_BTD.transpose(1, 2)) @ fmb.y_TK)


def test_the_optimised_fm_with_y_the_identity_is_all_dot_products() -> None:
    fmb = drawn(FactorizationMachineBlock(3, CONFIG))
    fmb.norm, fmb.mlp, fmb.n_out = nn.Identity(), nn.Identity(), 3
    fmb.y_TK.data = torch.eye(3, dtype=torch.float64)
    x_BTD = normal(1, 3, 4)
    dots = [[x_BTD[0, i] @ x_BTD[0, j] for j in range(3)] for i in range(3)]
    torch.testing.assert_close(fmb(x_BTD)[0], torch.tensor(dots, dtype=torch.float64))


@pytest.mark.parametrize("n", [5, 6], ids=["as many embeddings as it gives", "residual compressed"])
def test_a_layer_is_the_post_norm_of_fmb_then_lcb_plus_the_residual(n: int) -> None:
    layer = drawn(WukongLayer(n, CONFIG))
    assert isinstance(layer.residual, nn.Identity if n == 5 else LinearCompressBlock)
    x_BTD = normal(2, n, 4)
    for b in range(2):
        torch.testing.assert_close(layer(x_BTD)[b], naive_layer(layer, x_BTD[b], n_fmb=2, n_lcb=3))


def test_attentive_y_is_an_mlp_on_linearly_compressed_embeddings() -> None:
    config = CONFIG.model_copy(update={"attentive_tokens": 2, "attentive_mlp": (5,)})
    attentive = drawn(AttentiveY(6, config))
    x_BTD = normal(2, 6, 4)
    for b in range(2):
        compressed = [sum(attentive.compress.weight_OT[c, i] * x_BTD[b, i] for i in range(6)) for c in range(2)]
        y_TK = chain(attentive.mlp, torch.cat(compressed)).reshape(6, 3)
        torch.testing.assert_close(attentive(x_BTD)[b], y_TK)


def test_an_attentive_y_that_ignores_its_input_is_a_static_one() -> None:
    static = drawn(FactorizationMachineBlock(6, CONFIG))
    attentive = drawn(FactorizationMachineBlock(6, CONFIG.with_field("attentive_tokens", 2)))
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
    """FMB deactivated "by zeroing out its results" (section 7.3): the first n_F embeddings are the residual's alone."""
    layer = drawn(WukongLayer(6, CONFIG))
    nn.init.zeros_(layer.fmb.mlp[-1].weight)
    nn.init.zeros_(layer.fmb.mlp[-1].bias)
    x_BTD = normal(2, 6, 4)
    linear_BTD = torch.cat([torch.zeros(2, 2, 4, dtype=torch.float64), layer.lcb(x_BTD)], dim=1)
    torch.testing.assert_close(layer(x_BTD), layer.norm(linear_BTD + layer.residual(x_BTD)))
