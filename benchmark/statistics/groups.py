"""Grouping letters from pairwise tests, and the Pareto front."""

import string
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def letters(ranked: Sequence[str], apart: set[frozenset[str]]) -> dict[str, str]:
    """Return each name's letters: two names share one exactly if their pair is not in `apart`; the first name has "a".

    The compact letter display of Piepho (2004, J. Comput. Graph. Stat. 13, 456-466): start with one column of all names,
    split it by every pair in `apart`, and drop columns contained in others.
    """
    columns = [frozenset(ranked)]
    for pair in sorted(apart, key=sorted):
        first, second = sorted(pair)
        split: list[frozenset[str]] = []
        for column in columns:
            split += [column - {first}, column - {second}] if pair <= column else [column]
        unique = list(dict.fromkeys(split))
        columns = [column for column in unique if not any(column < other for other in unique)]
    place = {name: i for i, name in enumerate(ranked)}
    columns.sort(key=lambda column: sorted(place[name] for name in column))
    return {name: "".join(_letter(i) for i, column in enumerate(columns) if name in column) for name in ranked}


def _letter(index: int) -> str:
    """Return a to z, then a1 to z1, and so on."""
    turn, place = divmod(index, 26)
    return string.ascii_lowercase[place] + (str(turn) if turn else "")


def pareto(costs: ArrayLike, losses: ArrayLike) -> NDArray[np.bool_]:
    """Return a mask (N,) of the points that no other point dominates (costs and losses (N,)); equal points are both kept."""
    cost, loss = np.asarray(costs, float), np.asarray(losses, float)
    no_worse = (cost[:, None] <= cost) & (loss[:, None] <= loss)
    better = (cost[:, None] < cost) | (loss[:, None] < loss)
    return np.asarray(~np.any(no_worse & better, axis=0))
