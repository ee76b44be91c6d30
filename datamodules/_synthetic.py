"""Generated sets: the fields that they share, drawn in blocks of rows, so that a part of any length needs the memory of one.

    z_f(id)   latent of a value of field f, zero mean and unit variance under the field's law
    logit     = b + the set's own law of the row's values, with variance 2
    label     ~ Bernoulli(sigmoid(logit)), b such that a quarter of the first train block's labels are clicks

Sparse fields are Zipf-distributed. Dense fields are log-normal with a tenth of the values missing; a missing value has its
own latent. Block k of part i comes from the generator [SEED, i, k] and always has the same rows. So a set with fewer train
rows holds the first of one with more, and the validation and test parts do not depend on that number.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

from datamodules._synthetic_bounds import logistic_regression, score
from datamodules.base import SPLITS, CTRDataModule, Part, Source

Floats = NDArray[np.float64]

VOCABULARIES = (8, 12, 16, 24, 32, 40, 48, 50)  # values of each sparse field
N_DENSE = 2
ZIPF_EXPONENT = 1.1
MISSING_RATE = 0.1
MISSING_LATENT = 1.5  # present values have a latent of unit variance
CLICK_RATE = 0.25
ROWS = {"train": 600_000, "valid": 60_000, "test": 120_000}  # of a block; only the train part can have several
SEED = 2024


class Values(NamedTuple):
    """What a law sees of R rows."""

    ids: list[NDArray[np.int64]]  # of each sparse field, (R,)
    z_RF: Floats  # latents of all fields, sparse ones first


Law = Callable[[Values], Floats]  # the logit without the bias, (R,)


@dataclass(frozen=True)
class Block:
    """R consecutive rows of a part."""

    frame: pl.DataFrame  # as observed: the fields and the label
    values: Values
    logit_R: Floats
    label_R: NDArray[np.bool_]


class Generated(CTRDataModule):
    """600,000 train rows, or as many as the set's name says, of eight sparse and two dense fields; a subclass adds the law."""

    licence = "generated"
    citation = "this suite"
    dense_fields = tuple(f"x{i}" for i in range(N_DENSE))
    sparse_fields = tuple(f"c{i}" for i in range(len(VOCABULARIES)))
    most_rows = 32_000_000

    def law(self, draw: np.random.Generator, latents: list[Floats]) -> Law:
        """Return the law.

        Args:
            draw: makes its random choices.
            latents: of the values of each sparse field.
        """
        raise NotImplementedError

    def constants(self) -> list[Any]:
        """Return the law's constants."""
        raise NotImplementedError

    def sources(self) -> list[Path]:
        """Return no files: the data are generated."""
        return []

    def rules(self) -> dict[str, Any]:
        """Return the rules and the law."""
        shared = [VOCABULARIES, ZIPF_EXPONENT, MISSING_RATE, MISSING_LATENT, CLICK_RATE, ROWS, SEED]
        return {**super().rules(), "law": [*shared, *self.constants()]}

    def read(self) -> Mapping[str, Part]:
        """Return the parts; each block is drawn when it is read."""
        rows = {**ROWS, "train": self.most_train_rows or ROWS["train"]}
        return {
            split: [Source(partial(self._frame, split, k)) for k in range(-(-rows[split] // ROWS[split]))]
            for split in SPLITS
        }

    def facts(self) -> dict[str, Any]:
        """Return the bounds on the test part."""
        return {"bounds": self.bounds()}

    def bounds(self) -> dict[str, dict[str, float]]:
        """Return test AUC and LogLoss of the Bayes-optimal predictor, which is the true logit."""
        test = self.block("test")
        return {"Bayes": score(test.logit_R, test.label_R)}

    def block(self, split: str, number: int = 0) -> Block:
        """Return a block of a part."""
        draw, values, x_RN = self._sample(split, number)
        logit_R = self._drawn[1](values) + self._bias
        label_R = draw.random(ROWS[split]) < expit(logit_R)
        columns = {
            **{name: x_RN[:, i] for i, name in enumerate(self.dense_fields)},
            **dict(zip(self.sparse_fields, values.ids, strict=True)),
            self.label: label_R.astype(np.int8),
        }
        return Block(pl.DataFrame(columns), values, logit_R, label_R)

    def _frame(self, split: str, number: int) -> pl.DataFrame:
        return self.block(split, number).frame

    def _sample(self, split: str, number: int = 0) -> tuple[np.random.Generator, Values, Floats]:
        """Return the generator of a block, the block's values and its observed dense fields."""
        draw = np.random.default_rng([SEED, SPLITS.index(split), number])
        return draw, *sample(draw, ROWS[split], self._drawn[0])

    @cached_property
    def _drawn(self) -> tuple[list[Floats], Law]:
        """The latents of the sparse fields' values, and the law."""
        draw = np.random.default_rng(SEED)
        latents = [standardised(draw.normal(size=len(p)), p) for p in PROBABILITIES]
        return latents, self.law(draw, latents)

    @cached_property
    def _bias(self) -> float:
        _, values, _ = self._sample("train")
        logit_R = self._drawn[1](values)
        return brentq(lambda b: expit(logit_R + b).mean() - CLICK_RATE, -10, 10)


@dataclass(frozen=True)
class Planted:
    """A law: the weighted sum of planted terms, each with zero mean and unit variance."""

    terms: Callable[[Values], dict[int, Floats]]  # order, the number of fields that a term joins -> (R, n_o)
    weight: dict[int, Floats]  # order -> (n_o,)

    def shares(self, values: Values) -> dict[int, Floats]:
        """Return each order's share of the logit, (R,)."""
        return {order: term_RK @ self.weight[order] for order, term_RK in self.terms(values).items()}

    def __call__(self, values: Values) -> Floats:
        """Return the logit without the bias, (R,)."""
        return sum(self.shares(values).values(), np.zeros(len(values.z_RF)))


def weights(draw: np.random.Generator, n_terms: int, variance: float) -> Floats:
    """Return weights of equal size and random sign, (n_terms,).

    Args:
        draw: of the signs.
        n_terms: number of weights.
        variance: sum of their squares.
    """
    return draw.choice([-1.0, 1.0], n_terms) * np.sqrt(variance / n_terms)


class Laddered(Generated):
    """A generated set with a planted law: a ladder of bounds, and how much of each order a model recovers."""

    @property
    def planted(self) -> Planted:
        """The law."""
        law = self._drawn[1]
        assert isinstance(law, Planted)  # noqa: S101 (tells mypy)
        return law

    def bounds(self) -> dict[str, dict[str, float]]:
        """Return test AUC and LogLoss of each rung of the ladder and of the Bayes-optimal predictor.

        Rung o is the logistic regression on the planted terms up to order o, fitted to the first block of the train part: the
        best that a model of order o can reach.
        """
        train, test = self.block("train"), self.block("test")
        terms = [self.planted.terms(block.values) for block in (train, test)]
        scores = {}
        for highest in self.planted.weight:
            fit, held = (np.hstack([term_R[order] for order in term_R if order <= highest]) for term_R in terms)
            bias, *slopes = logistic_regression(fit, train.label_R)
            scores[f"order {highest}"] = score(held @ np.array(slopes) + bias, test.label_R)
        return {**scores, "Bayes": score(test.logit_R, test.label_R)}

    def diagnose(self, logit_N: NDArray[np.float32]) -> dict[str, float]:
        """Return how much of each planted order the test logits (N,) recover: 0 none of it, 1 all of it.

        These are the least-squares coefficients of the orders' shares of the true logit, which are uncorrelated.
        """
        share_R = self.planted.shares(self._sample("test")[1])
        x_NK = np.stack([np.ones(len(logit_N)), *share_R.values()], 1)
        result = np.linalg.lstsq(x_NK, logit_N.astype(np.float64), rcond=None)[0][1:]
        return {f"recovered_order_{order}": float(share) for order, share in zip(share_R, result, strict=True)}


def sample(draw: np.random.Generator, rows: int, latents: list[Floats]) -> tuple[Values, Floats]:
    """Return the values of random rows and their dense fields as observed, (R, N), nan where missing.

    Args:
        draw: of the rows.
        rows: number of rows R.
        latents: of the values of each sparse field.
    """
    ids = [draw.choice(len(p), rows, p=p) for p in PROBABILITIES]
    u_RN = draw.normal(size=(rows, N_DENSE))
    missing_RN = draw.random((rows, N_DENSE)) < MISSING_RATE
    z_RF = np.stack([*(z[i] for z, i in zip(latents, ids, strict=True)), *_dense_latent(u_RN, missing_RN).T], 1)
    return Values(ids, z_RF), np.where(missing_RN, np.nan, np.exp(u_RN))


def standardised(z: Floats, *probabilities: Floats) -> Floats:
    """Return an array over the values of independent fields, one per axis, scaled to unit variance without any field's effect.

    Args:
        z: an axis per field.
        probabilities: of the values of each field.
    """
    for axis, p in enumerate(probabilities):
        z = z - np.expand_dims(np.tensordot(p, z, (0, axis)), axis)
    square = z**2
    for p in probabilities:
        square = np.tensordot(p, square, (0, 0))
    return z / np.sqrt(square)


def _zipf(n: int) -> Floats:
    weight = np.arange(1, n + 1) ** -ZIPF_EXPONENT
    return weight / weight.sum()


PROBABILITIES = [_zipf(n) for n in VOCABULARIES]  # of the values of each sparse field


def _dense_latent(u_RN: Floats, missing_RN: NDArray[np.bool_]) -> Floats:
    """Return the standard-normal logarithm, or MISSING_LATENT where missing, standardised under the mixture."""
    mean = MISSING_RATE * MISSING_LATENT
    variance = (1 - MISSING_RATE) + MISSING_RATE * MISSING_LATENT**2 - mean**2
    return (np.where(missing_RN, MISSING_LATENT, u_RN) - mean) / np.sqrt(variance)
