"""What every model of the suite must do, whatever it computes; a new file in models/ is tested here without an edit."""

import ast
import random
from contextlib import suppress
from pathlib import Path

import optuna
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import models
from benchmark.budget import TOLERANCE, Infeasible, error, fit
from models.base import Budget, Config, CTRModel

FIELDS = ((1, 2), (0, 10), (13, 26))  # dense and sparse: n = 3, 10, 39
CONFIGS = 100
every_model = pytest.mark.parametrize("name", models.names())


def random_configs(name: str, n_dense: int, n_sparse: int, count: int) -> list[Config]:
    """Configurations drawn from the model's own space at budgets from 0.1 to 100 training MFLOP."""
    config_class = models.load(name).Config
    draw = random.Random(0)
    configs: list[Config] = []
    while len(configs) < count:
        budget = Budget(10 ** draw.uniform(5, 8), n_dense, n_sparse, draw.choice([4, 8, 16]))
        trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=draw.randrange(2**32))).ask()
        with suppress(Infeasible):
            configs.append(fit(config_class.suggest(trial, budget), budget))
    return configs


def counted_flops(model: CTRModel, size: int, n_dense: int, n_sparse: int) -> int:
    dense_BN = torch.zeros(size, n_dense, device="meta")
    sparse_BF = torch.zeros(size, n_sparse, dtype=torch.int64, device="meta")
    with FlopCounterMode(display=False) as counter:
        model(dense_BN, sparse_BF)
    return counter.get_total_flops()


@every_model
@pytest.mark.parametrize(("n_dense", "n_sparse"), FIELDS)
def test_flops_equal_torchs_counter(name: str, n_dense: int, n_sparse: int) -> None:
    """In train and eval mode and at two batch sizes; what a batch costs once, whatever its size, is stated apart."""
    for i, config in enumerate(random_configs(name, n_dense, n_sparse, CONFIGS // len(FIELDS) + 1)):
        with torch.device("meta"):
            model = models.load(name)(config, n_dense, [5] * n_sparse).train(i % 2 == 0)
        size = 2 if i % 4 < 2 else 65
        expected = size * config.flops(n_dense, n_sparse) + config.flops_per_batch(n_dense, n_sparse)
        assert counted_flops(model, size, n_dense, n_sparse) == expected, config


@every_model
@pytest.mark.parametrize("mflop", [0.3, 1.2, 4.8, 19.2, 1000])
def test_every_draw_is_on_budget_and_few_cannot_be(name: str, mflop: float) -> None:
    config_class = models.load(name).Config
    for n_dense, n_sparse, d in ((13, 26, 16), (7, 18, 8)):
        budget = Budget(mflop * 1e6, n_dense, n_sparse, d)
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        study.enqueue_trial(config_class.default)
        infeasible = 0
        for _ in range(50):
            trial = study.ask()
            try:
                config = fit(config_class.suggest(trial, budget), budget)
            except Infeasible:
                assert trial.number > 0, "the default shape must meet every budget"
                infeasible += 1
            else:
                assert abs(error(config, budget)) <= TOLERANCE or not config.budgeted
                assert set(config_class.default) <= set(trial.params), "a default for what is not sampled"
        assert infeasible <= 25


@every_model
def test_the_search_space_is_static(name: str) -> None:
    """Multivariate TPE learns only from trials that have all its parameters with the same ranges."""
    config_class = models.load(name).Config
    budget = Budget(1.2e6, 7, 18, 8)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    spaces = []
    for _ in range(20):
        trial = study.ask()
        for _shape in config_class.suggest(trial, budget):
            pass
        spaces.append(trial.distributions)
    assert all(space == spaces[0] for space in spaces)


@every_model
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")  # DLRM of one field has no pairs
@pytest.mark.parametrize(("n_dense", "n_sparse"), [(7, 18), (0, 3), (4, 0), (0, 1), (1, 0)])
def test_every_parameter_learns_and_rows_do_not_meet(name: str, n_dense: int, n_sparse: int) -> None:
    torch.manual_seed(0)
    config_class = models.load(name).Config
    budget = Budget(0.3e6, n_dense, n_sparse, 8)
    config = fit(config_class.suggest(optuna.trial.FixedTrial(config_class.default), budget), budget)  # type: ignore[arg-type]
    model = models.load(name)(config, n_dense, [5] * n_sparse)
    dense_BN, sparse_BF = torch.randn(64, n_dense), torch.randint(0, 5, (64, n_sparse))
    logit_B = model(dense_BN, sparse_BF)
    assert logit_B.shape == (64,)
    torch.nn.functional.binary_cross_entropy_with_logits(logit_B, torch.randint(0, 2, (64,)).float()).backward()
    for parameter_name, parameter in model.named_parameters():
        if parameter.numel():
            gradient = parameter.grad
            assert gradient is not None and gradient.isfinite().all(), parameter_name
            # a single token has nothing to attend to or to be multiplied with
            assert gradient.any() or n_dense + n_sparse == 1, f"{parameter_name} does not reach the logit"
    model.eval()
    order = torch.randperm(64)
    expected = model(dense_BN, sparse_BF)[order]
    torch.testing.assert_close(model(dense_BN[order], sparse_BF[order]), expected, rtol=1e-4, atol=1e-5)


@every_model
def test_embedding_and_dense_parameters_are_all_parameters(name: str) -> None:
    config_class = models.load(name).Config
    budget = Budget(0.3e6, 3, 2, 4)
    config = fit(config_class.suggest(optuna.trial.FixedTrial(config_class.default), budget), budget)  # type: ignore[arg-type]
    with torch.device("meta"):
        model = models.load(name)(config, 3, [5, 6])
    halves = [*model.embedding_parameters(), *model.dense_parameters()]
    assert sorted(map(id, halves)) == sorted(map(id, model.parameters()))
    assert sum(p.numel() for p in model.embedding_parameters()) >= config.embedding_dim * 11


@every_model
def test_the_docstring_gives_title_source_and_shapes(name: str) -> None:
    text = ast.get_docstring(ast.parse((Path(models.__file__).parent / f"{name}.py").read_text(encoding="utf-8")))
    assert text is not None
    assert ": " in models.summary(name) and models.summary(name).endswith(".")
    assert "B batch" in text


def test_an_unknown_model_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(
        models.UnknownModel, match=r"no model 'wukonk'; did you mean 'wukong'\? \(.*autoint.*wukong.*\)"
    ):
        models.load("wukonk")
    with pytest.raises(models.UnknownModel):
        models.load("../base/config")
