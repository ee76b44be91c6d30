import torch
from naive import CARDINALITY, batch, build
from torch import Tensor, nn

from models.dlrm import DLRMConfig


def relu_chain(mlp: nn.Sequential, a: Tensor, *, relu_last: bool) -> Tensor:
    layers = [layer for layer in mlp if isinstance(layer, nn.Linear)]
    for layer in layers:
        a = layer.weight @ a + layer.bias
        if relu_last or layer is not layers[-1]:
            a = a.clamp(min=0)
    return a


def test_the_top_mlp_reads_the_dense_embedding_and_each_pair_once() -> None:
    model = build("dlrm", DLRMConfig(embedding_dim=4, bottom_mlp=(5,), top_mlp=(6,)), 3, 4)
    dense_BN, sparse_BF = batch(3, 4)
    for b in range(len(dense_BN)):
        z = [relu_chain(model.embed.dense, dense_BN[b], relu_last=True)]
        z += [model.embed.table.weight[f * CARDINALITY + sparse_BF[b, f]] for f in range(4)]
        p = [z[i] @ z[j] for i in range(5) for j in range(i)]
        assert len(p) == 5 * 4 // 2
        logit = relu_chain(model.top_mlp, torch.cat([z[0], torch.stack(p)]), relu_last=False)
        torch.testing.assert_close(model(dense_BN, sparse_BF)[b], logit[0])


def test_without_dense_fields_the_top_mlp_reads_the_pairs_alone() -> None:
    model = build("dlrm", DLRMConfig(embedding_dim=4, top_mlp=()), 0, 3)
    dense_BN, sparse_BF = batch(0, 3)
    for b in range(len(dense_BN)):
        z = [model.embed.table.weight[f * CARDINALITY + sparse_BF[b, f]] for f in range(3)]
        p = torch.stack([z[1] @ z[0], z[2] @ z[0], z[2] @ z[1]])
        naive = model.top_mlp[0].weight[0] @ p + model.top_mlp[0].bias[0]
        torch.testing.assert_close(model(dense_BN, sparse_BF)[b], naive)


def test_the_bottom_mlp_ends_in_a_relu_so_that_the_dense_embedding_is_not_negative() -> None:
    model = build("dlrm", DLRMConfig(embedding_dim=4, bottom_mlp=(5,)), 3, 2)
    dense_BN, _ = batch(3, 2, rows=100)
    z_BD = model.embed.dense(dense_BN)
    assert (z_BD >= 0).all() and (z_BD == 0).any()


def test_the_pairs_grow_with_the_square_of_the_embeddings() -> None:
    """With a linear top and no bias, scaling every embedding by 3 scales the logit by 9."""
    model = build("dlrm", DLRMConfig(embedding_dim=4, top_mlp=()), 0, 3)
    nn.init.zeros_(model.top_mlp[0].bias)
    before = model(*batch(0, 3))
    with torch.no_grad():
        model.embed.table.weight.mul_(3)
    torch.testing.assert_close(model(*batch(0, 3)), 9 * before)
