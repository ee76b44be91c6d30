import torch
from model_checks import EDGE_FIELDS, counted_flops, without_gradient
from naive import CARDINALITY, batch, build, tokens

from benchmark.budget import fit
from models.base import Budget
from models.fm import FM, FMConfig
from models.lr import LRConfig


def test_the_logit_includes_each_pair_of_fields_once() -> None:
    model = build("fm", FMConfig(embedding_dim=4), 2, 3)
    dense_BN, sparse_BF = batch(2, 3)
    linear_B1 = model.linear(dense_BN, sparse_BF)
    for b, x in enumerate(tokens(model, dense_BN, sparse_BF)):
        naive = model.bias + linear_B1[b, 0]
        for i in range(5):
            for j in range(i + 1, 5):
                naive = naive + sum(x[i][d] * x[j][d] for d in range(4))
        torch.testing.assert_close(model(dense_BN, sparse_BF)[b], naive)


def test_with_zero_embeddings_it_is_logistic_regression() -> None:
    fm, lr = build("fm", FMConfig(embedding_dim=4), 2, 3), build("lr", LRConfig(), 2, 3)
    fm.embed.load_state_dict({name: torch.zeros_like(value) for name, value in fm.embed.state_dict().items()})
    lr.embed.load_state_dict(fm.linear.embed.state_dict())
    lr.bias = fm.bias
    torch.testing.assert_close(fm(*batch(2, 3)), lr(*batch(2, 3)))


def test_a_single_field_has_no_pair() -> None:
    for n_dense, n_sparse in ((1, 0), (0, 1)):
        model = build("fm", FMConfig(embedding_dim=4), n_dense, n_sparse)
        inputs = batch(n_dense, n_sparse)
        torch.testing.assert_close(model(*inputs), model.bias + model.linear(*inputs).squeeze(1))


def test_it_costs_no_flops_and_is_the_same_at_every_budget() -> None:
    assert counted_flops(FM, FMConfig(embedding_dim=8), 13, 26) == FMConfig(embedding_dim=8).flops(13, 26) == 0
    bottom = FMConfig(embedding_dim=8, bottom_mlp=(5,))
    assert counted_flops(FM, bottom, 13, 26) == bottom.flops(13, 26) == 2 * (13 * 5 + 5 * 8)
    assert not FMConfig.budgeted
    configs = [fit(FMConfig.suggest(None, budget), budget) for budget in (Budget(1, 1, 1, 8), Budget(1e9, 13, 26, 8))]
    assert configs == [FMConfig(embedding_dim=8)] * 2


def test_gradients_reach_every_parameter() -> None:
    for n_dense, n_sparse in EDGE_FIELDS[:3]:  # a pair needs two fields
        model = FM(FMConfig(embedding_dim=4), n_dense, [5] * n_sparse)
        assert not without_gradient(model, n_dense, n_sparse)


def test_first_order_weights_count_as_embeddings() -> None:
    model = build("fm", FMConfig(embedding_dim=4), 2, 3)
    assert {id(p) for p in model.dense_parameters()} == {id(model.bias)}
    assert sum(p.numel() for p in model.embedding_parameters()) == (2 + 3 * CARDINALITY) * (4 + 1)
