"""Checks of compute: the FLOPs that a config states, work that nobody counts, and budgets that are met."""

import random
from collections.abc import Iterator
from contextlib import suppress

import optuna

from benchmark.budget import Infeasible, error, fit
from benchmark.checks.flops import work
from benchmark.checks.sample import BUDGETS, CARDINALITY, FIELDS, Fault
from benchmark.protocol.numbers import TOLERANCE
from models.base import Budget, Config, CTRModel

# What arithmetic outside matrix products may handle per example. Of the shipped models AutoInt+, whose attention maps have no
# FLOPs of their own, needs most per FLOP: 0.17. A product hidden in a broadcast and a sum needs 1.
ELEMENTS_PER_INPUT, ELEMENTS_PER_FLOP = 16, 0.25

optuna.logging.set_verbosity(optuna.logging.WARNING)  # `check` prints its own lines only


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
    """Check that `flops()` equals torch's count in both modes and at two batch sizes, and that no work hides from it."""
    for n_dense, n_sparse in FIELDS:
        for i, config in enumerate(random_configs(model_class, n_dense, n_sparse, n_configs)):
            size = 2 if i % 4 < 2 else 65
            done = work(model_class, config, n_dense, [CARDINALITY] * n_sparse, batch_size=size, training=i % 2 == 0)
            if done.uncounted:
                names = ", ".join(sorted(done.uncounted))
                raise Fault(f"forward uses {names}, which torch's counter misses; write it with @ or a linear layer")
            flops = config.flops(n_dense, n_sparse)
            stated = size * flops + config.flops_per_batch(n_dense, n_sparse)
            if done.flops != stated:
                raise Fault(
                    f"flops() gives {stated:,} for {size} examples with {n_dense} dense and {n_sparse} sparse fields, "
                    f"torch counts {done.flops:,}, for {config!r}"
                )
            inputs = (n_dense + n_sparse) * config.embedding_dim
            allowed = ELEMENTS_PER_INPUT * inputs + ELEMENTS_PER_FLOP * flops
            # only in the larger batch, over whose examples work on weights, done once per batch, is spread
            if size > 2 and done.elements > size * allowed:
                raise Fault(
                    f"element-wise operations handle {done.elements / size:,.0f} numbers per example beside {flops:,} "
                    f"FLOPs; at most {allowed:,.0f} are allowed ({ELEMENTS_PER_INPUT} per entry of the embeddings and "
                    f"{ELEMENTS_PER_FLOP} per FLOP): write matrix products with @ or a linear layer, for {config!r}"
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
            study.enqueue_trial(model_class.Config.default_at(budget))
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


def _study(seed: int) -> optuna.Study:
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
