"""Synthetic: clicks from a known law with interactions of order 1, 2 and 4, so the best possible score is known.

    term      product of z_f over distinct fields: a pure interaction of exactly that order, with unit variance
    t_2m      t_m t_m': each order-2m term is the product of two order-m terms, as Wukong's layers build them
    logit     = b + sum over orders o of sqrt(variance_o / n_o) * sum of +-t_o

The fields and what z_f is are those of `_synthetic.py`. Favoured by construction: models that multiply embeddings layer by
layer. A term is a product of one number per field: three cross layers of DCNv2 hold all of them exactly, and each of
Wukong's layers can double the order, while a plain MLP has to approximate products. `bounds` scores the true logit on the
test labels (Bayes) and a ladder of logistic regressions on the planted products up to order o: the best a model of order o
can reach.
"""

from itertools import pairwise
from typing import Any

import numpy as np

from datamodules._synthetic import Floats, Laddered, Planted, Values, weights

VARIANCES = {1: 0.4, 2: 0.8, 4: 0.8}  # of the logit, by order of interaction


class Synthetic(Laddered):
    """600,000 train, 60,000 validation and 120,000 test rows of eight sparse and two dense fields."""

    title = "Synthetic"

    def constants(self) -> list[Any]:
        """Return the law's constants."""
        return [VARIANCES]

    def law(self, draw: np.random.Generator, latents: list[Floats]) -> Planted:
        """Return the sum of products of the fields in a random order."""
        field = draw.permutation(len(latents) + len(self.dense_fields))
        weight = {order: weights(draw, len(field) // order, variance) for order, variance in VARIANCES.items()}
        return Planted(lambda values: _terms(values, field), weight)


def _terms(values: Values, field: np.ndarray) -> dict[int, Floats]:
    """Return the planted products, (R, F // order) for each order: neighbouring terms are multiplied repeatedly."""
    terms = {1: values.z_RF[:, field]}
    for order, doubled in pairwise(VARIANCES):
        t = terms[order]
        even = t.shape[1] // 2 * 2
        terms[doubled] = t[:, 0:even:2] * t[:, 1:even:2]
    return terms
