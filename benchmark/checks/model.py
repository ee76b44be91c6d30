"""What every model must satisfy: the checks behind `wukong-bench check` and the conformance tests.

Each check returns a sentence on its outcome, or raises Fault with a sentence on what is wrong and how to fix it.
"""

import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import optuna
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmark.budget import Infeasible, default_config, error, fit
from benchmark.checks.flops import counted
from benchmark.protocol.numbers import TOLERANCE
from models.base import Budget, Config, CTRModel

FIELDS = ((1, 2), (0, 10), (13, 26))  # dense and sparse: n = 3, 10, 39
EDGE_FIELDS = ((7, 18), (0, 3), (4, 0), (0, 1), (1, 0))  # both kinds, no dense, no sparse, single field
BUDGETS = (0.3, 1.2, 4.8, 19.2, 1000.0)  # training MFLOP per example
RUN_MFLOP = 0.3  # training MFLOP per example of the models that are run
CARDINALITY = 5

optuna.logging.set_verbosity(optuna.logging.WARNING)  # `check` prints its own lines only


class Fault(AssertionError):
    """A check failed; the message says what is wrong."""


@dataclass(frozen=True)
class Line:
    """The outcome of one check."""

    name: str
    passed: bool
    text: str


def check(model_class: type[CTRModel]) -> Iterator[Line]:
    """Run all checks on a model; an exception raised by the model is a failed check."""
    for name, run in CHECKS.items():
        yield _outcome(name, run, model_class)


def _outcome(name: str, run: Callable[[type[CTRModel]], str], model_class: type[CTRModel]) -> Line:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Initializing zero-element tensors")  # DLRM of one field has no pairs
        try:
            return Line(name, True, run(model_class))
        except Fault as fault:
            return Line(name, False, str(fault))
        except Exception as error_:
            return Line(name, False, f"{type(error_).__name__}: {error_}")


def random_configs(model_class: type[CTRModel], n_dense: int, n_sparse: int, count: int) -> Iterator[Config]:
    """Yield configurations from the model's own space at budgets from 0.1 to 100 training MFLOP.

    Raises Fault if too few draws meet their budget.

    Args:
        model_class: the model.
        n_dense: number of dense columns.
        n_sparse: number of sparse columns.
        count: number of configurations.
    """
    draw = random.Random(0)  # noqa: S311 (no secret)
    for _ in range(20 * count):
        if not count:
            return
        budget = Budget(10 ** draw.uniform(5, 8), n_dense, n_sparse, draw.choice([4, 8, 16]))
        trial = _study(draw.randrange(2**32)).ask()
        with suppress(Infeasible):
            yield fit(model_class.Config.suggest(trial, budget), budget)
            count -= 1
    if count:
        raise Fault("almost no draw meets budgets from 0.1 to 100 MFLOP; make suggest() yield smaller shapes as well")


def check_flops(model_class: type[CTRModel], n_configs: int = 10) -> str:
    """Check that `flops()` equals torch's count in both modes and at two batch sizes, and that torch counts everything."""
    for n_dense, n_sparse in FIELDS:
        for i, config in enumerate(random_configs(model_class, n_dense, n_sparse, n_configs)):
            size = 2 if i % 4 < 2 else 65
            flops, uncounted = counted(
                model_class, config, n_dense, [CARDINALITY] * n_sparse, batch_size=size, training=i % 2 == 0
            )
            if uncounted:
                names = ", ".join(sorted(uncounted))
                raise Fault(f"forward uses {names}, which torch's counter misses; write it with @ or a linear layer")
            stated = size * config.flops(n_dense, n_sparse) + config.flops_per_batch(n_dense, n_sparse)
            if flops != stated:
                raise Fault(
                    f"flops() gives {stated:,} for {size} examples with {n_dense} dense and {n_sparse} sparse fields, "
                    f"torch counts {flops:,}, for {config!r}"
                )
    return f"flops() equals torch's counter for {n_configs * len(FIELDS)} random configs with 3, 10 and 39 fields"


def check_budgets(model_class: type[CTRModel], n_draws: int = 50) -> str:
    """Check that the default shape and half of the random draws meet every budget, and that the space is static."""
    feasible = []
    for mflop in BUDGETS:
        met = 0
        for n_dense, n_sparse, d in ((13, 26, 16), (7, 18, 8)):
            budget = Budget(mflop * 1e6, n_dense, n_sparse, d)
            study = _study(0)
            study.enqueue_trial(model_class.Config.default)
            spaces = []
            for _ in range(n_draws):
                trial = study.ask()
                try:
                    config = fit(model_class.Config.suggest(trial, budget), budget)
                except Infeasible as reason:
                    if trial.number == 0:
                        raise Fault(f"the default shape cannot meet {mflop:g} MFLOP: {reason}") from None
                    continue
                if abs(error(config, budget)) > TOLERANCE and config.budgeted:
                    raise Fault(f"{config!r} is {error(config, budget):+.1%} off {mflop:g} MFLOP")
                spaces.append(trial.distributions)
                met += 1
            if any(space != spaces[0] for space in spaces) or not set(model_class.Config.default) <= set(spaces[0]):
                raise Fault("the search space is not static; suggest every parameter with the same range in every draw")
        feasible.append(met / (2 * n_draws))
        if feasible[-1] < 0.5:
            raise Fault(
                f"only {feasible[-1]:.0%} of the draws meet {mflop:g} MFLOP, at least half must; "
                "make suggest() yield smaller shapes as well"
            )
    if not model_class.Config.budgeted:
        return "a reference line, which meets no budget by design"
    return "draws on budget: " + ", ".join(
        f"{share:.0%} at {mflop:g}" for share, mflop in zip(feasible, BUDGETS, strict=True)
    )


def check_gradients(model_class: type[CTRModel]) -> str:
    """Check that logits are (B,) and every parameter gets a finite, nonzero gradient, for all kinds of fields."""
    for n_dense, n_sparse in EDGE_FIELDS:
        model, dense_BN, sparse_BF, label_B = _built(model_class, n_dense, n_sparse)
        logit_B = model(dense_BN, sparse_BF)
        fields = f"with {n_dense} dense and {n_sparse} sparse fields"
        if logit_B.shape != label_B.shape:
            raise Fault(
                f"forward returns shape {tuple(logit_B.shape)} {fields}; it must be (B,) = {tuple(label_B.shape)}"
            )
        binary_cross_entropy_with_logits(logit_B, label_B).backward()
        for name, p in model.named_parameters():
            if p.numel() and (p.grad is None or not p.grad.isfinite().all()):
                raise Fault(f"{name} gets no finite gradient {fields}")
            # a single token has nothing to attend to and no partner in a product
            if p.numel() and p.grad is not None and not p.grad.any() and n_dense + n_sparse > 1:
                raise Fault(f"{name} does not reach the logit {fields}: its gradient is 0")
        owned = [*model.embedding_parameters(), *model.dense_parameters()]
        if sorted(map(id, owned)) != sorted(map(id, model.parameters())):
            raise Fault("embedding_parameters() and dense_parameters() together are not exactly parameters()")
    return "every parameter gets a gradient with both kinds of fields, one kind, and a single field"


def check_rows(model_class: type[CTRModel]) -> str:
    """Check that a row's logit depends neither on the other rows nor on their order."""
    model, dense_BN, sparse_BF, _ = _built(model_class, 7, 18)
    model.eval()
    order_B = torch.randperm(len(dense_BN), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logit_B = model(dense_BN, sparse_BF)
        if not torch.allclose(model(dense_BN[order_B], sparse_BF[order_B]), logit_B[order_B], rtol=1e-4, atol=1e-5):
            raise Fault("logits change with the order of the rows in a batch")
        if not torch.allclose(model(dense_BN[:3], sparse_BF[:3]), logit_B[:3], rtol=1e-4, atol=1e-5):
            raise Fault("a row's logit depends on the other rows of its batch")
    return "a row's logit depends on that row alone"


def check_determinism(model_class: type[CTRModel]) -> str:
    """Check that the same seed gives the same weights, logits and gradients."""
    outcomes = []
    for _ in range(2):
        model, dense_BN, sparse_BF, label_B = _built(model_class, 7, 18)
        logit_B = model(dense_BN, sparse_BF)
        binary_cross_entropy_with_logits(logit_B, label_B).backward()
        outcomes.append([logit_B.detach(), *(p.grad for p in model.parameters() if p.grad is not None)])
    if not all(torch.equal(a, b) for a, b in zip(*outcomes, strict=True)):
        raise Fault("two models with the same seed differ; draw all random numbers from torch's generator")
    return "the same seed gives the same logits and gradients, bit for bit"


def check_learning(model_class: type[CTRModel], n_steps: int = 300) -> str:
    """Check that the model can memorise 64 rows with random labels, and that its outputs are logits."""
    model, dense_BN, sparse_BF, label_B = _built(model_class, 7, 18)
    adam = torch.optim.Adam(model.parameters(), lr=0.02)
    loss = torch.tensor(float("nan"))
    logit_B = label_B
    for _ in range(n_steps):
        adam.zero_grad()
        logit_B = model(dense_BN, sparse_BF)
        loss = binary_cross_entropy_with_logits(logit_B, label_B)
        loss.backward()
        adam.step()
    if logit_B.min() >= 0 and logit_B.max() <= 1:
        raise Fault("all outputs lie in [0, 1] after training; return logits, without a sigmoid")
    if not loss.item() < 0.1:
        raise Fault(f"64 rows are not memorised: LogLoss {loss.item():.3f} after {n_steps} steps; it must be below 0.1")
    return f"memorises 64 rows: LogLoss {loss.item():.4f} after {n_steps} steps"


def check_precision_and_capture(model_class: type[CTRModel]) -> str:
    """Check that logits are finite in bfloat16 and that torch.compile can capture the whole graph."""
    model, dense_BN, sparse_BF, _ = _built(model_class, 7, 18)
    model.eval()
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            if not model(dense_BN, sparse_BF).isfinite().all():
                raise Fault("logits are not finite in bfloat16")
        captured: Callable[..., Tensor] = torch.compile(model, backend="eager", fullgraph=True)
        if not torch.allclose(captured(dense_BN, sparse_BF), model(dense_BN, sparse_BF), rtol=1e-4, atol=1e-5):
            raise Fault("the captured graph and forward give different logits")
    return "runs in bfloat16, and torch.compile captures the whole graph"


CHECKS: dict[str, Callable[[type[CTRModel]], str]] = {
    "flops": check_flops,
    "budgets": check_budgets,
    "gradients": check_gradients,
    "rows": check_rows,
    "determinism": check_determinism,
    "learning": check_learning,
    "precision and capture": check_precision_and_capture,
}


def _study(seed: int) -> optuna.Study:
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))


def _built(model_class: type[CTRModel], n_dense: int, n_sparse: int) -> tuple[CTRModel, Tensor, Tensor, Tensor]:
    """Return the default model and a random batch of 64 rows, the same at every call."""
    torch.manual_seed(0)
    config = default_config(model_class.Config, Budget(RUN_MFLOP * 1e6, n_dense, n_sparse, 8))
    model = model_class(config, n_dense, [CARDINALITY] * n_sparse)
    generator = torch.Generator().manual_seed(2)
    dense_BN = torch.randn(64, n_dense, generator=generator)
    sparse_BF = torch.randint(0, CARDINALITY, (64, n_sparse), generator=generator)
    return model, dense_BN, sparse_BF, torch.randint(0, 2, (64,), generator=generator).float()
