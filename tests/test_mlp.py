import torch
from naive import batch, build, tokens
from torch import nn

from models.base import Linear
from models.mlp import MLPConfig


def test_the_logit_is_a_chain_of_affine_maps_and_relus_on_the_concatenated_embeddings() -> None:
    model = build("mlp", MLPConfig(embedding_dim=4, hidden=(6, 3)), 2, 3)
    dense_BN, sparse_BF = batch(2, 3)
    layers = [layer for layer in model.mlp if isinstance(layer, nn.Linear)]
    for b, x in enumerate(tokens(model, dense_BN, sparse_BF)):
        a = [value for token in x for value in token]
        for layer in layers:
            a = [sum(w * v for w, v in zip(row, a, strict=True)) for row in layer.weight]
            a = [v + bias for v, bias in zip(a, layer.bias, strict=True)]
            if layer is not layers[-1]:
                a = [v.clamp(min=0) for v in a]
        torch.testing.assert_close(model(dense_BN, sparse_BF)[b], a[0])


def test_batch_norm_comes_before_the_relu_and_dropout_after_it() -> None:
    model = build("mlp", MLPConfig(embedding_dim=4, hidden=(6, 3), batch_norm=True, dropout=0.1), 0, 3)
    hidden = [Linear, nn.BatchNorm1d, nn.ReLU, nn.Dropout]
    assert [type(layer) for layer in model.mlp] == [*hidden, *hidden, Linear]


def test_without_hidden_layers_it_is_linear_in_the_embeddings() -> None:
    model = build("mlp", MLPConfig(embedding_dim=4, hidden=()), 2, 3)
    dense_BN, sparse_BF = batch(2, 3)
    bias = model.mlp[0].bias[0]
    without_bias = model(dense_BN, sparse_BF) - bias
    with torch.no_grad():
        model.embed.table.weight.mul_(3)
        model.embed.dense.mul_(3)
    torch.testing.assert_close(model(dense_BN, sparse_BF), 3 * without_bias + bias)
