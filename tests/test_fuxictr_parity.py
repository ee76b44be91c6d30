"""The numbers of FuxiCTR's layers (PyPI, 2.3.10) with the weights copied; where ours differ by design, the test says how."""

from types import SimpleNamespace

import pytest
import torch
from naive import CARDINALITY, batch, build, normal
from torch import nn

from models.autoint import AutoIntConfig, InteractingLayer
from models.base import mlp
from models.dcnv2 import CrossLayer
from models.dlrm import DLRMConfig
from models.finalmlp import BilinearFusion, FeatureGate, FinalMLPConfig
from models.fm import FMConfig
from models.lr import LRConfig
from models.xdeepfm import CompressedInteractionNetwork

fuxictr = pytest.importorskip("fuxictr.pytorch.layers", reason="needs FuxiCTR: pip install -e '.[peers]'")
finalmlp = pytest.importorskip("model_zoo.LongCTR.FinalMLP.FinalMLP", reason="comes with fuxictr 2.3.10")

B, T, D = 5, 4, 6


def feature_map(n_dense: int, n_sparse: int) -> SimpleNamespace:
    """What FuxiCTR's layers ask of the fields: I0, I1, ... numeric, C0, C1, ... categorical."""
    features = {f"I{i}": {"type": "numeric"} for i in range(n_dense)}
    features |= {f"C{f}": {"type": "categorical", "vocab_size": CARDINALITY} for f in range(n_sparse)}
    return SimpleNamespace(features=features, num_fields=n_dense + n_sparse)


def fields(dense_BN: torch.Tensor, sparse_BF: torch.Tensor) -> dict[str, torch.Tensor]:
    """The batch as FuxiCTR takes it, a column for each field; it casts numeric columns to float32."""
    columns = {f"I{i}": column for i, column in enumerate(dense_BN.T)}
    return columns | {f"C{f}": column for f, column in enumerate(sparse_BF.T)}


def copy_embedding(theirs: nn.Module, ours: nn.Module) -> None:
    """Ours is one table, the fields' rows one after another; theirs has one for each field, and Linear(1, d) for numbers."""
    with torch.no_grad():
        for name, layer in theirs.embedding_layer.embedding_layers.items():
            i = int(name[1:])
            if name[0] == "I":
                layer.weight.copy_(ours.dense[i].unsqueeze(1))
            else:
                layer.weight.copy_(ours.table.weight[i * CARDINALITY : (i + 1) * CARDINALITY])


@pytest.mark.parametrize(("n_dense", "n_sparse"), [(2, 3), (0, 3), (2, 0)])
def test_logistic_regression(n_dense: int, n_sparse: int) -> None:
    ours = build("lr", LRConfig(), n_dense, n_sparse).float()
    theirs = fuxictr.LogisticRegression(feature_map(n_dense, n_sparse))
    copy_embedding(theirs.embedding_layer, ours.embed)
    nn.init.constant_(theirs.bias, ours.bias.item())
    dense_BN, sparse_BF = batch(n_dense, n_sparse)
    torch.testing.assert_close(ours(dense_BN.float(), sparse_BF), theirs(fields(dense_BN, sparse_BF)).squeeze(1))


def test_factorization_machine() -> None:
    ours = build("fm", FMConfig(embedding_dim=D), 2, 3).float()
    theirs = fuxictr.FactorizationMachine(feature_map(2, 3))
    embedding = fuxictr.FeatureEmbedding(feature_map(2, 3), D)
    copy_embedding(embedding, ours.embed)
    copy_embedding(theirs.lr_layer.embedding_layer, ours.linear.embed)
    nn.init.constant_(theirs.lr_layer.bias, ours.bias.item())
    dense_BN, sparse_BF = batch(2, 3)
    x = fields(dense_BN, sparse_BF)
    torch.testing.assert_close(ours(dense_BN.float(), sparse_BF), theirs(x, embedding(x)).squeeze(1))


def test_mlp_with_batch_norm() -> None:
    ours = mlp(D, (7, 5), 1, batch_norm=True, dropout=0.5).double().eval()
    theirs = fuxictr.MLP_Block(D, [7, 5], output_dim=1, batch_norm=True, dropout_rates=0.5).double().eval()
    for layer in ours:
        if isinstance(layer, nn.BatchNorm1d):
            nn.init.uniform_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
    theirs.mlp.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(normal(B, D)), theirs(normal(B, D)))


def test_cross_network_v2() -> None:
    ours = [CrossLayer(D, rank=None).double() for _ in range(3)]
    theirs = fuxictr.CrossNetV2(D, 3).double()
    for layer, linear in zip(ours, theirs.cross_layers, strict=True):
        linear.load_state_dict(layer.linear.state_dict())
    x0 = x = normal(B, D)
    for layer in ours:
        x = layer(x0, x)
    torch.testing.assert_close(x, theirs(x0))


def test_pairwise_dots_of_dlrm() -> None:
    """Theirs lists the pairs i < j row by row, ours i > j: the same dots in another order."""
    model = build("dlrm", DLRMConfig(embedding_dim=D, top_mlp=()), 0, T)
    theirs = fuxictr.InnerProductInteraction(T, output="inner_product")
    inputs = batch(0, T)
    pairs = {pair: p for p, pair in enumerate((i, j) for i in range(T) for j in range(i + 1, T))}
    order = [pairs[j, i] for i in range(T) for j in range(i)]
    dots_BP = theirs(model.embed(*inputs))[:, order]
    torch.testing.assert_close(model(*inputs), model.top_mlp(dots_BP).squeeze(1))


@pytest.mark.parametrize("scaled", [False, True])
def test_multi_head_attention_of_autoint(scaled: bool) -> None:
    """Theirs in this package attends from one target, so it is asked once for each token; ours adds the residual and a ReLU."""
    ours = InteractingLayer(D, AutoIntConfig(embedding_dim=D, attention_dim=D, heads=2, scaled=scaled)).double()
    theirs = fuxictr.MultiHeadTargetAttention(D, D, num_heads=2, use_scale=scaled).double()
    for mine, other in ((ours.query, theirs.W_q), (ours.key, theirs.W_k), (ours.value, theirs.W_v)):
        other.load_state_dict(mine.state_dict())
    nn.init.eye_(theirs.W_o.weight)  # an output projection, which AutoInt has not
    x_BTD = normal(B, T, D)
    attended_BTD = torch.stack([theirs(x_BTD[:, m], x_BTD) for m in range(T)], dim=1)
    torch.testing.assert_close(ours(x_BTD), (attended_BTD + x_BTD).relu())


def test_bilinear_fusion_of_finalmlp() -> None:
    ours = BilinearFusion(6, 9, heads=3).double()
    theirs = finalmlp.InteractionAggregation(6, 9, num_heads=3).double()
    theirs.w_x.load_state_dict(ours.linear1[0].state_dict())
    theirs.w_y.load_state_dict(ours.linear2[0].state_dict())
    theirs.w_xy.data = ours.weight_HIJ.detach().reshape(-1, 1)
    torch.testing.assert_close(ours(normal(B, 6), normal(B, 9)), theirs(normal(B, 6), normal(B, 9)))


def test_feature_gates_of_finalmlp() -> None:
    """Theirs repeats the constant context and runs the gate's MLP for every row; ours runs it once a batch."""
    config = FinalMLPConfig(embedding_dim=D, gate=(7,))
    ours = [FeatureGate(config, (), 0, [], 10).double() for _ in range(2)]
    theirs = finalmlp.FeatureSelection(None, 10, D, [7]).double()
    for gate, bias, block in zip(
        ours, (theirs.fs1_ctx_bias, theirs.fs2_ctx_bias), (theirs.fs1_gate, theirs.fs2_gate), strict=True
    ):
        nn.init.normal_(gate.context_1D)
        bias.data = gate.context_1D.detach()
        block.mlp.load_state_dict(gate.mlp.state_dict())
    x_BC = normal(B, 10)
    for gated, expected in zip((gate(x_BC, x_BC, x_BC) for gate in ours), theirs(None, x_BC), strict=True):
        torch.testing.assert_close(gated, expected)


def test_compressed_interaction_network() -> None:
    """Theirs flattens the products field by field, ours row by row of X^{k-1}, and has a bias in each row, as `cin_bias`."""
    counts = (3, 2)
    ours = CompressedInteractionNetwork(T, counts, bias=True).double()
    theirs = fuxictr.CompressedInteractionNet(T, list(counts)).double()
    with torch.no_grad():
        for layer, conv in zip(ours.layers, theirs.cin_layer.values(), strict=True):
            nn.init.normal_(layer.bias)
            conv.weight.copy_(layer.weight.unflatten(1, (-1, T)).transpose(1, 2).flatten(1).unsqueeze(2))
            conv.bias.copy_(layer.bias)
    x_BTD = normal(B, T, D)
    torch.testing.assert_close(theirs.fc(ours(x_BTD)), theirs(x_BTD))
