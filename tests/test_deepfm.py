import random

import pytest
import torch
from model_checks import EDGE_FIELDS, FIELDS, counted_flops, without_gradient
from naive import batch, build, tokens
from torch import nn

from models.deepfm import DeepFM, DeepFMConfig
from models.fm import FMConfig
from models.mlp import MLPConfig


def test_the_logit_is_the_fm_component_plus_the_deep_component() -> None:
    model = build("deepfm", DeepFMConfig(embedding_dim=4, hidden=(6, 3)), 2, 3)
    dense_BN, sparse_BF = batch(2, 3)
    layers = [layer for layer in model.deep if isinstance(layer, nn.Linear)]
    for b, x in enumerate(tokens(model, dense_BN, sparse_BF)):
        y_fm = model.fm.linear(dense_BN, sparse_BF)[b, 0]
        for i in range(5):
            for j in range(i + 1, 5):
                y_fm = y_fm + x[i] @ x[j]
        a = torch.cat(x)
        for layer in layers[:-1]:
            a = (layer.weight @ a + layer.bias).clamp(min=0)
        y_dnn = layers[-1].weight[0] @ a + layers[-1].bias[0]
        torch.testing.assert_close(model(dense_BN, sparse_BF)[b], y_fm + y_dnn)


def test_it_is_an_fm_and_an_mlp_on_the_same_embeddings() -> None:
    deepfm = build("deepfm", DeepFMConfig(embedding_dim=4, hidden=(6, 3)), 2, 3)
    fm, mlp = (
        build("fm", FMConfig(embedding_dim=4), 2, 3),
        build("mlp", MLPConfig(embedding_dim=4, hidden=(6, 3)), 2, 3),
    )
    for part in (fm, mlp):
        part.embed.load_state_dict(deepfm.embed.state_dict())
    fm.linear.load_state_dict(deepfm.fm.linear.state_dict())
    mlp.mlp.load_state_dict(deepfm.deep.state_dict())
    inputs = batch(2, 3)
    torch.testing.assert_close(deepfm(*inputs), fm(*inputs) - fm.bias + mlp(*inputs))


@pytest.mark.parametrize(("n_dense", "n_sparse"), FIELDS)
def test_flops_match_torchs_counter(n_dense: int, n_sparse: int) -> None:
    rng = random.Random(n_sparse)
    for _ in range(30):
        config = DeepFMConfig(
            embedding_dim=rng.randint(1, 16),
            hidden=tuple(rng.randint(1, 60) for _ in range(rng.randint(0, 4))),
            bottom_mlp=rng.choice([(), (rng.randint(1, 20),)]),
            batch_norm=rng.random() < 0.5,
            dropout=rng.choice([0.0, 0.1]),
        )
        assert counted_flops(DeepFM, config, n_dense, n_sparse) == config.flops(n_dense, n_sparse), config


def test_gradients_reach_every_parameter() -> None:
    for n_dense, n_sparse in EDGE_FIELDS:
        config = DeepFMConfig(embedding_dim=4, hidden=(16, 16))
        assert not without_gradient(DeepFM(config, n_dense, [5] * n_sparse), n_dense, n_sparse)
