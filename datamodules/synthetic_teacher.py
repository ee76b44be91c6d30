"""Synthetic teacher: clicks whose logit is the output of a random neural network, so interactions of all orders mix.

    x         four standard-normal features of every value of a sparse field, and z_f of the dense fields
    h         = tanh(W_2 tanh(W_1 x)), 48 units each; weights normal with variance GAIN^2 / inputs
    logit     = b + sqrt(2) times w . h, standardised

The fields and what z_f is are those of `_synthetic.py`. Favoured by construction: models with an MLP on the embeddings, which
is the teacher's own form, and those that multiply embeddings least. None has tanh, so none represents the teacher exactly.
There is no ladder: the law is no sum of terms of an order. `bounds` holds Bayes.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from datamodules._synthetic import PROBABILITIES, SEED, Floats, Generated, Values, sample, standardised

FEATURES, UNITS, LAYERS, GAIN = 4, 48, 2, 1.5
VARIANCE = 2.0  # of the logit
SAMPLE = 100_000  # rows that standardise the output


@dataclass(frozen=True)
class Teacher:
    """The network; its output is not yet standardised."""

    features: list[Floats]  # of each sparse field's values, (V, FEATURES)
    layers: list[Floats]  # weights (inputs, units); the last layer has one unit and no tanh

    def __call__(self, values: Values) -> Floats:
        """Return the output, (R,)."""
        own = [feature[i] for feature, i in zip(self.features, values.ids, strict=True)]
        h_RU = np.hstack([*own, values.z_RF[:, len(own) :]])
        for weight in self.layers[:-1]:
            h_RU = np.tanh(h_RU @ weight)
        return (h_RU @ self.layers[-1])[:, 0]


class SyntheticTeacher(Generated):
    """600,000 train, 60,000 validation and 120,000 test rows of eight sparse and two dense fields."""

    title = "Synthetic teacher"

    def constants(self) -> list[Any]:
        """Return the law's constants."""
        return [FEATURES, UNITS, LAYERS, GAIN, VARIANCE, SAMPLE]

    def law(self, draw: np.random.Generator, latents: list[Floats]) -> Teacher:
        """Return the network, its last weights scaled so that the logit has VARIANCE."""
        features = [
            np.stack([standardised(draw.normal(size=len(p)), p) for _ in range(FEATURES)], 1) for p in PROBABILITIES
        ]
        sizes = [FEATURES * len(features) + len(self.dense_fields), *[UNITS] * LAYERS, 1]
        shapes = list(pairwise(sizes))
        *hidden, last = [draw.normal(0, GAIN / np.sqrt(n_in), (n_in, n_out)) for n_in, n_out in shapes]
        values, _ = sample(np.random.default_rng([SEED, len(sizes)]), SAMPLE, latents)
        deviation = Teacher(features, [*hidden, last])(values).std()
        return Teacher(features, [*hidden, last * np.sqrt(VARIANCE) / deviation])
