"""What a plan of blocks can tell apart, before anything is trained."""

import math

from benchmark.statistics.moderation import borrowed
from benchmark.statistics.seeds import CONFIDENCE, POWER
from benchmark.statistics.student import quantile

UNEQUAL = 1.08  # what unequal noise and Holm cost beyond the formula, by simulation of three blocks and more


def detectable(
    *,
    blocks: int,
    models: int,
    budgets: int,
    search: float,
    seed: float,
    seeds: int,
    rows: float = 0.0,
    averaged: bool = False,
    comparisons: int | None = None,
    power: float = POWER,
) -> float:
    """Return the true difference of two models, on the working scale, that the family finds with this power.

    It is nan for a single block. Two blocks find it less often than stated (.62 to .82 instead of .8, by simulation).
    Raises ValueError if a number is too small.

    Args:
        blocks: per study.
        models: on the data set.
        budgets: on the data set.
        search: standard deviation of a search's winner.
        seed: standard deviation of a final run by its seed.
        seeds: final runs per block.
        rows: variance of the difference by test rows.
        averaged: whether the family is the mean over the budgets; one budget otherwise.
        comparisons: in the family; all pairs of models if None.
        power: probability of finding the difference.
    """
    tests = models * (models - 1) // 2 if comparisons is None else comparisons
    if min(blocks, budgets, seeds, tests) < 1:
        raise ValueError(
            f"{blocks} blocks, {budgets} budgets, {seeds} final runs and {tests} comparisons; each must be at least 1"
        )
    if min(search, seed, rows) < 0:
        raise ValueError(f"negative noise: search {search}, seed {seed}, rows {rows}")
    if blocks < 2:
        return math.nan
    averages, studies = (budgets, models) if averaged else (1, models * budgets)
    own = 2 * (search**2 + seed**2 / seeds) / (blocks * averages)
    total = own + rows
    degrees = 2 * averages * (blocks - 1) * (1 + borrowed(studies))
    nu = degrees * (total / own) ** 2 if own else math.inf
    return UNEQUAL * math.sqrt(total) * float(quantile(1 - (1 - CONFIDENCE) / (2 * tests), nu) + quantile(power, nu))
