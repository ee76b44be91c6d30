"""Neither the default nor the published recipe of a model is a dead start.

Marked slow: about a minute and a half on one core.
"""

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

import optuna
import pytest
from test_recipe import study

import datamodules
import models
from benchmark.protocol.sections import Training
from benchmark.training.loop import train
from benchmark.tuning.sampler import SlotSampler
from benchmark.tuning.space import drawn, fixed_parameters
from datamodules.base import CTRDataModule
from models.base import Budget

ROWS, VALID_ROWS, EPOCHS, BATCH = 8_000, 4_000, 2, 64
SLOW = {
    ("dlrm", 1): 40_000
}  # batch norm and dropout under dot products of small embeddings: learns, but from more rows
BUDGETS = (0.02, 0.08, 0.32, 1.28)
SLOTS = {0: "default", 1: "published recipe"}


def runs() -> Iterator[Any]:
    """Yield every budgeted model with each slot and budget."""
    for name, slot, mflop in product(models.names(), SLOTS, BUDGETS):
        if models.load(name).Config.budgeted:
            yield pytest.param(name, slot, mflop, id=f"{name} at {mflop:g}, {SLOTS[slot]}")


pytestmark = pytest.mark.slow


@cache
def synthetic(rows: int) -> CTRDataModule:
    """Return the synthetic set with the first rows of its train and validation parts."""
    data = datamodules.load("synthetic")(batch_size=BATCH, train_rows=rows)
    whole = data.val_dataloader()
    whole.arrays, whole.rows = [array[:VALID_ROWS] for array in whole.arrays], VALID_ROWS
    data.val_dataloader = lambda: whole  # type: ignore[method-assign]
    return data


@pytest.mark.parametrize(("name", "slot", "mflop"), list(runs()))
def test_slots_0_and_1_learn_at_every_budget(name: str, slot: int, mflop: float) -> None:
    data = synthetic(SLOW.get((name, slot), ROWS))
    made, budget = study(name, mflop), Budget(mflop * 1e6, data.n_dense, len(data.cardinalities), 10)
    sampler = SlotSampler("random", (0,), fixed_parameters(made, budget, data.recipe))
    sampler.next_slot(slot)
    config, optimiser = drawn(optuna.create_study(sampler=sampler).ask(), made, budget)
    training = Training(batch_size=BATCH, epochs=EPOCHS, schedule="linear")
    outcome = train(models.load(name), config, optimiser, data, training, seed=1, test=False)
    assert outcome.valid["auc"] > 0.55, outcome.valid
