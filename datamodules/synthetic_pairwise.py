"""Synthetic pairwise: clicks from a known law whose only interactions are those of pairs of fields.

    t_f       z_f: a field's own effect
    t_fg      for two sparse fields a table of independent normal effects, one per pair of values; for a sparse and a dense
              field z_g times an effect of the sparse value; for two dense fields z_f z_g. Centred, so that no t_fg holds an
              effect of a single field, and scaled to unit variance
    logit     = b + sum over orders o = 1, 2 of sqrt(variance_o / n_o) * sum of +-t_o

The fields and what z_f is are those of `_synthetic.py`. Favoured by construction: models whose first layer multiplies pairs
(FM, DLRM, DCNv2's first cross layer, Wukong's factorization machine block), and depth is worth little. None of them is
exact: a table of random effects has rank up to 47 here, products of embeddings at most their size. `bounds` holds Bayes, and
the ladder on a field's own effects (order 1) and on the planted pairs (order 2).
"""

from collections.abc import Mapping
from functools import partial
from itertools import combinations
from math import prod
from typing import Any

import numpy as np

from datamodules._synthetic import PROBABILITIES, Floats, Laddered, Planted, Values, standardised, weights

VARIANCES = {1: 0.4, 2: 1.6}  # of the logit, by order of interaction


class SyntheticPairwise(Laddered):
    """600,000 train, 60,000 validation and 120,000 test rows of eight sparse and two dense fields."""

    title = "Synthetic pairwise"

    def constants(self) -> list[Any]:
        """Return the law's constants."""
        return [VARIANCES]

    def law(self, draw: np.random.Generator, latents: list[Floats]) -> Planted:
        """Return the sum of the fields' own effects and those of all pairs."""
        n_fields = len(latents) + len(self.dense_fields)
        effects = {}
        for pair in combinations(range(n_fields), 2):
            probabilities = [PROBABILITIES[field] for field in pair if field < len(latents)]
            effects[pair] = standardised(draw.normal(size=[len(p) for p in probabilities]), *probabilities)
        weight = {order: weights(draw, n, VARIANCES[order]) for order, n in ((1, n_fields), (2, len(effects)))}
        return Planted(partial(_terms, effects), weight)


def _terms(effects: Mapping[tuple[int, int], Floats], values: Values) -> dict[int, Floats]:
    """Return the fields' own effects (R, F) and those of the pairs (R, F (F - 1) / 2)."""
    n_sparse, pairs = len(values.ids), []
    for pair, effect in effects.items():
        ids = tuple(values.ids[field] for field in pair if field < n_sparse)
        pairs.append(effect[ids] * prod(values.z_RF[:, field] for field in pair if field >= n_sparse))
    return {1: values.z_RF, 2: np.stack(pairs, 1)}
