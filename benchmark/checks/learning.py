"""Checks of learning: a model memorises a few rows, and trial 0 learns at every budget."""

from collections.abc import Sequence

import torch

from benchmark.checks.sample import BUDGETS, CARDINALITY, Fault, Rows, default_model, random_rows, scored, train
from models.base import CTRModel
from models.base.metrics import auc

LEARNED_AT = (0.08, *BUDGETS[:-1])  # training MFLOP per example
LEARNS = 0.6  # validation AUC; a perfect prediction of the planted law reaches 0.97


def check_memorising(model_class: type[CTRModel], n_steps: int = 300) -> str:
    """Check that the model can memorise 64 rows with random labels, and that its outputs are logits."""
    model, rows = default_model(model_class, 7, 18), random_rows(7, 18)
    train(model, rows, steps=n_steps, rate=0.02)
    logit_B, loss = scored(model, rows)
    reached = loss.item()
    if logit_B.min() >= 0 and logit_B.max() <= 1:
        raise Fault("all outputs lie in [0, 1] after training; return logits, without a sigmoid")
    if not reached < 0.1:
        raise Fault(f"64 rows are not memorised: LogLoss {reached:.3f} after {n_steps} steps; it must be below 0.1")
    return f"memorises 64 rows: LogLoss {reached:.4f} after {n_steps} steps"


def check_trial_0(
    model_class: type[CTRModel], budgets: Sequence[float] = LEARNED_AT, n_steps: int = 50, batch_size: int = 64
) -> str:
    """Check that the default shape learns clicks of a planted law at every budget, from one pass over few rows.

    Args:
        model_class: the model.
        budgets: training MFLOP per example.
        n_steps: of training at each budget.
        batch_size: rows of a step.
    """
    rows, held_out = _clicks(n_steps * batch_size, seed=1), _clicks(1000, seed=2)
    reached = {}
    for mflop in budgets if model_class.Config.budgeted else budgets[:1]:
        model = default_model(model_class, rows.dense_BN.shape[1], rows.sparse_BF.shape[1], mflop)
        train(model, rows, steps=n_steps, rate=1e-3, batch_size=batch_size)
        with torch.no_grad():
            logit_B = model.eval()(held_out.dense_BN, held_out.sparse_BF)
        reached[mflop] = auc(logit_B, held_out.label_B)
    values = ", ".join(f"{value:.3f} at {mflop:g}" for mflop, value in reached.items())
    if collapsed := [f"{mflop:g}" for mflop, value in reached.items() if not value > LEARNS]:
        raise Fault(
            f"trial 0 does not learn at {', '.join(collapsed)} MFLOP: validation AUC {values} after {n_steps} steps on "
            f"clicks that follow a simple law; it must be above {LEARNS:g}"
        )
    return f"trial 0 learns: validation AUC {values} MFLOP"


def _clicks(count: int, seed: int) -> Rows:
    """Return rows whose logit is a sum of one effect per field, the same law for every seed."""
    law, draw = torch.Generator().manual_seed(0), torch.Generator().manual_seed(seed)
    effect_FC, slope_N = torch.randn(18, CARDINALITY, generator=law), torch.randn(7, generator=law)
    dense_BN = torch.randn(count, 7, generator=draw)
    sparse_BF = torch.randint(0, CARDINALITY, (count, 18), generator=draw)
    logit_B = effect_FC[torch.arange(18), sparse_BF].sum(1) + dense_BN @ slope_N
    return Rows(dense_BN, sparse_BF, (torch.rand(count, generator=draw) < logit_B.sigmoid()).float())
