import torch
from model_checks import EDGE_FIELDS, counted_flops, without_gradient
from naive import CARDINALITY, batch, build
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import one_hot

from benchmark.budget import fit
from models.base import Budget
from models.lr import LR, LRConfig


def test_the_logit_is_the_bias_plus_a_weight_per_field() -> None:
    model = build("lr", LRConfig(), 2, 3)
    dense_BN, sparse_BF = batch(2, 3)
    for b, logit in enumerate(model(dense_BN, sparse_BF)):
        naive = model.bias.clone()
        for i in range(2):
            naive += model.embed.dense[i, 0] * dense_BN[b, i]
        for f in range(3):
            naive += model.embed.table.weight[f * CARDINALITY + sparse_BF[b, f], 0]
        torch.testing.assert_close(logit, naive)


def test_at_its_optimum_it_predicts_what_scikit_learn_predicts() -> None:
    model = build("lr", LRConfig(), 2, 2)
    dense_BN, sparse_BF = batch(2, 2, rows=400)
    label_B = torch.bernoulli(model(dense_BN, sparse_BF).sigmoid(), generator=torch.Generator().manual_seed(2)).detach()
    lbfgs = torch.optim.LBFGS(model.parameters(), max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        lbfgs.zero_grad()
        value = torch.nn.functional.binary_cross_entropy_with_logits(model(dense_BN, sparse_BF), label_B)
        value.backward()
        return value

    lbfgs.step(loss)
    x = torch.cat([dense_BN, *(one_hot(sparse_BF[:, f], CARDINALITY) for f in range(2))], dim=1)
    theirs = LogisticRegression(C=float("inf"), tol=1e-8, max_iter=2000).fit(x, label_B).predict_proba(x)[:, 1]
    torch.testing.assert_close(
        model(dense_BN, sparse_BF).sigmoid(), torch.from_numpy(theirs).double(), atol=1e-4, rtol=0
    )


def test_it_has_a_weight_per_dense_field_and_value_and_one_bias_for_any_embedding_dimension() -> None:
    config = fit(LRConfig.suggest(None, Budget(1e6, 2, 3, embedding_dim=16)), Budget(1e6, 2, 3, embedding_dim=16))
    model = LR(config, 2, (4, 5, 6))
    assert sum(p.numel() for p in model.embedding_parameters()) == 2 + 4 + 5 + 6
    assert [p.numel() for p in model.dense_parameters()] == [1]


def test_it_costs_no_flops_and_is_the_same_at_every_budget() -> None:
    assert counted_flops(LR, LRConfig(), 13, 26) == LRConfig().flops(13, 26) == 0
    assert not LRConfig.budgeted
    configs = [fit(LRConfig.suggest(None, budget), budget) for budget in (Budget(1, 1, 1, 8), Budget(1e9, 13, 26, 16))]
    assert configs == [LRConfig()] * 2


def test_gradients_reach_every_parameter() -> None:
    for n_dense, n_sparse in EDGE_FIELDS:
        assert not without_gradient(LR(LRConfig(), n_dense, [5] * n_sparse), n_dense, n_sparse)
