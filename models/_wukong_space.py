"""The sizes of Wukong that are searched at a budget: l, n_F and k grow with it, as in Table 5 (arXiv 2403.02545).

n_F embeddings from the FMB, k rank of Y, l layers.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from models import base

WIDEST = 16_384  # layer of an MLP: the widest of Table 5, beyond which l, n and k grow


class Space(NamedTuple):
    """What is searched at budgets up to a number of forward FLOPs."""

    flops: float
    layers: tuple[int, int]  # l, from and to
    n_fmb: list[int]
    rank: list[int]  # k
    default: dict[str, Any]  # of trial 0


# Table 5 grows from l = 2, n = 8 and k = 24 at 0.2 forward GFLOP of 720 fields to 8, 192 and 192 at 36. The same steps start
# earlier here, since public data have tens of fields.
SPACES = (
    Space(3e6, (1, 4), [4, 8, 16, 32], [2, 4, 8, 16, 24], {"layers": 2, "n_fmb": 8, "rank": 8}),
    Space(3e7, (2, 6), [8, 16, 32, 48], [8, 16, 24, 48], {"layers": 4, "n_fmb": 16, "rank": 16}),
    Space(3e8, (2, 8), [16, 32, 48, 96], [16, 24, 48, 96], {"layers": 4, "n_fmb": 32, "rank": 24}),
    Space(3e9, (4, 8), [32, 48, 96, 192], [24, 48, 96, 192], {"layers": 8, "n_fmb": 48, "rank": 48}),
    Space(math.inf, (4, 8), [48, 96, 192], [48, 96, 192], {"layers": 8, "n_fmb": 96, "rank": 96}),
)


def space_of(budget: base.Budget) -> Space:
    """Return what is searched at a budget."""
    return next(space for space in SPACES if budget.flops <= space.flops)


def smaller(layers: int, n_fmb: int, rank: int, bottom_width: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield ever smaller sizes: fewer layers, then fewer embeddings, a lower rank, a narrower bottom MLP.

    Args:
        layers: l as sampled.
        n_fmb: n_F as sampled.
        rank: k as sampled.
        bottom_width: of the bottom MLP's last hidden layer, as sampled.
    """
    while layers > 1 or n_fmb > 2 or rank > 2 or bottom_width > base.NARROWEST:
        if layers > 1:
            layers -= 1
        elif n_fmb > 2:
            n_fmb = max(2, n_fmb // 2)
        elif rank > 2:
            rank = max(2, rank // 2)
        else:
            bottom_width //= 2
        yield layers, n_fmb, rank, bottom_width


def larger(layers: int, n_fmb: int, rank: int, bottom_width: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield ever larger sizes: l to 8, then n_F and k in turn to four times Table 5's.

    Args:
        layers: l as sampled.
        n_fmb: n_F as sampled.
        rank: k as sampled.
        bottom_width: of the bottom MLP's last hidden layer, which stays.
    """
    while rank < 4 * 192:
        if layers < 8:
            layers += 1
        elif n_fmb <= rank:
            n_fmb *= 2
        else:
            rank *= 2
        yield layers, n_fmb, rank, bottom_width
