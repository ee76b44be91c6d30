"""Blocks and contrasts with known numbers, for the tests of statistics."""

import math

import numpy as np

from benchmark.statistics import Blocks, Contrasts

NAMES = "abcdefghi"


def random_blocks(seed: int, models: int = 9, budgets: int = 4, blocks: int = 4) -> dict:
    """Return blocks of equal models whose noise differs between studies."""
    generator = np.random.default_rng(seed)
    return {
        (NAMES[k], float(b)): (math.exp(0.5 * generator.normal()) * generator.normal(size=blocks)).tolist()
        for k in range(models)
        for b in range(budgets)
    }


def given(values, variances, degrees, rows=None) -> Contrasts:
    """Return contrasts with the given numbers."""
    count = len(values)
    rows = np.zeros((count, count)) if rows is None else np.asarray(rows, float)
    arrays = [np.broadcast_to(np.asarray(a, float), count) for a in (values, variances, degrees)]
    return Contrasts(tuple(NAMES[:count]), *arrays, rows, np.zeros(count))


def welch(samples: list[list[float]]) -> Contrasts:
    """Return the means of samples with their own variances."""
    return given(
        [np.mean(s) for s in samples],
        [np.var(s, ddof=1) / len(s) for s in samples],
        [len(s) - 1 for s in samples],
    )


def flops(blocks: Blocks) -> dict:
    """Return 4^budget per study, so that log4 FLOPs is the budget."""
    return {study: 4.0 ** study[1] for study in blocks.values}


def curve(levels, others=(), spread: float = 0.0) -> Blocks:
    """Return the curve of "a" over budgets 0, 1, ... and one study of "b" per further level; blocks +-spread around each."""
    studies = {("a", float(b)): level for b, level in enumerate(levels)}
    studies |= {("b", float(b)): level for b, level in enumerate(others)}
    return Blocks({study: [level - spread, level, level + spread] for study, level in studies.items()})
