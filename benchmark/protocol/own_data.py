"""Sizes of the protocol `own_data`, taken from a user's data: a first look that takes minutes, to be enlarged later."""

import math
from typing import Any

NAME = "own_data"
EXAMPLES = 480_000  # a training sees about as many, in whole epochs
MOST_EPOCHS = 16
STEPS_PER_EPOCH = 150  # at least, where batches of SMALLEST_BATCH allow
SMALLEST_BATCH, LARGEST_BATCH = 128, 4096
EMBEDDING_DIM = 8
NARROWEST = 32  # units of the first hidden layer that the smaller budget must pay for
LEAST_BUDGET = 0.02  # training MFLOP
STEP = 4  # from one budget to the next


def sizes(train_rows: int, fields: int) -> dict[str, Any]:
    """Return budgets, epochs, batch and embedding size by dotted key.

    The smaller budget pays for a hidden layer of NARROWEST units on all fields; training takes 3 x 2 FLOPs per weight.

    Args:
        train_rows: rows of the train part.
        fields: dense and sparse ones.
    """
    least = max(LEAST_BUDGET, 6 * fields * EMBEDDING_DIM * NARROWEST / 1e6)
    digits = 10 ** math.floor(math.log10(least))
    budget = round(math.ceil(round(least / digits, 6)) * digits, 6)
    batch = 2 ** round(math.log2(max(1, train_rows / STEPS_PER_EPOCH)))
    return {
        "budgets": [budget, round(STEP * budget, 6)],
        "embedding_dim": EMBEDDING_DIM,
        "training.epochs": max(1, min(MOST_EPOCHS, round(EXAMPLES / max(1, train_rows)))),
        "training.batch_size": max(SMALLEST_BATCH, min(LARGEST_BATCH, batch)),
    }


def title(name: str, models: int, budgets: int) -> str:
    """Return the title of a comparison on a user's data.

    Args:
        name: title of the data set.
        models: number of them.
        budgets: number of them.
    """
    return f"{name}: {models} model{'s' * (models > 1)} at {budgets} budget{'s' * (budgets > 1)}"
