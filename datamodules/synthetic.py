"""Synthetic: clicks from a known law with interactions of order 1, 2 and 4, so the best possible score is known.

    z_f(id)   latent of a value of field f, zero mean and unit variance under the field's law
    term      product of z_f over distinct fields: a pure interaction of exactly that order, with unit variance
    t_2m      t_m t_m': each order-2m term is the product of two order-m terms, as Wukong's layers build them
    logit     = b + sum over orders o of sqrt(variance_o / n_o) * sum of +-t_o
    label     ~ Bernoulli(sigmoid(logit)), b such that a quarter of the labels are clicks

Sparse fields are Zipf-distributed. Dense fields are log-normal with a tenth of the values missing; a missing value has its
own latent. `bounds` scores the true logit on the test labels (Bayes) and a ladder of logistic regressions on the true
latents and the planted products up to order o: the best a model of order o can reach.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit
from torchmetrics.functional.classification import binary_auroc

from datamodules.base import SPLITS, CTRDataModule

Floats = NDArray[np.float64]

VOCABULARIES = (8, 12, 16, 24, 32, 40, 48, 50)  # values of each sparse field
N_DENSE = 2
ZIPF_EXPONENT = 1.1
MISSING_RATE = 0.1
MISSING_LATENT = 1.5  # present values have a latent of unit variance
VARIANCES = {1: 0.4, 2: 0.8, 4: 0.8}  # of the logit, by order of interaction
CLICK_RATE = 0.25
ROWS = {"train": 600_000, "valid": 60_000, "test": 120_000}
SEED = 2024


@dataclass(frozen=True)
class Part:
    """One part of R rows: the observed frame, the planted terms by order, their weighted sums, the true logit and labels."""

    frame: pl.DataFrame
    term_R: dict[int, Floats]  # order -> (R, n_o)
    signal_R: dict[int, Floats]  # order -> its share of the logit
    logit_R: Floats
    label_R: NDArray[np.bool_]


class Synthetic(CTRDataModule):
    """600,000 train, 60,000 validation and 120,000 test rows of eight sparse and two dense fields."""

    title = "Synthetic"
    licence = "generated"
    citation = "this suite"
    dense_fields = tuple(f"x{i}" for i in range(N_DENSE))
    sparse_fields = tuple(f"c{i}" for i in range(len(VOCABULARIES)))

    def sources(self) -> list[Path]:
        """Return no files: the data are generated."""
        return []

    def rules(self) -> dict[str, Any]:
        """Return the rules and the law."""
        law = [VOCABULARIES, ZIPF_EXPONENT, MISSING_RATE, MISSING_LATENT, VARIANCES, CLICK_RATE, ROWS, SEED]
        return {**super().rules(), "law": law}

    def read(self) -> Mapping[str, pl.DataFrame]:
        """Return the drawn parts."""
        return {split: part.frame for split, part in self.parts.items()}

    def facts(self) -> dict[str, Any]:
        """Return the bounds on the test part."""
        return {"bounds": self.bounds()}

    @cached_property
    def parts(self) -> dict[str, Part]:
        """All parts with the true terms and logits."""
        law = np.random.default_rng(SEED)
        probability = [_zipf(n) for n in VOCABULARIES]
        latent = [_standardised(law.normal(size=len(p)), p) for p in probability]
        field = law.permutation(len(VOCABULARIES) + N_DENSE)
        sign = {order: law.choice([-1.0, 1.0], len(field) // order) for order in VARIANCES}
        rows = {**ROWS, "train": min(ROWS["train"], self.train_rows or ROWS["train"])}
        draws = {split: np.random.default_rng([SEED, i]) for i, split in enumerate(SPLITS)}
        columns, logit, terms, signal = {}, {}, {}, {}
        for split, draw in draws.items():
            ids = [draw.choice(len(p), rows[split], p=p) for p in probability]
            u_RN = draw.normal(size=(rows[split], N_DENSE))
            missing_RN = draw.random((rows[split], N_DENSE)) < MISSING_RATE
            z_RF = np.stack([*(z[i] for z, i in zip(latent, ids, strict=True)), *_dense_latent(u_RN, missing_RN).T], 1)
            terms[split] = _terms(z_RF[:, field])
            weight = {order: sign[order] * np.sqrt(v / len(sign[order])) for order, v in VARIANCES.items()}
            signal[split] = {order: terms[split][order] @ weight[order] for order in VARIANCES}
            logit[split] = np.zeros(rows[split]) + sum(signal[split].values())
            x_RN = np.where(missing_RN, np.nan, np.exp(u_RN))
            columns[split] = {
                **{name: x_RN[:, i] for i, name in enumerate(self.dense_fields)},
                **{name: ids[i] for i, name in enumerate(self.sparse_fields)},
            }
        train = logit["train"]
        bias = brentq(lambda b: expit(train + b).mean() - CLICK_RATE, -10, 10)
        parts = {}
        for split, draw in draws.items():
            label_R = draw.random(rows[split]) < expit(logit[split] + bias)
            frame = pl.DataFrame(columns[split]).with_columns(pl.Series("label", label_R.astype(np.int8)))
            parts[split] = Part(frame, terms[split], signal[split], logit[split] + bias, label_R)
        return parts

    def bounds(self) -> dict[str, dict[str, float]]:
        """Return test AUC and LogLoss of each rung of the order ladder and of the Bayes-optimal predictor."""
        train, test = self.parts["train"], self.parts["test"]
        scores = {}
        for highest in VARIANCES:
            features = [
                np.hstack([part.term_R[order] for order in VARIANCES if order <= highest]) for part in (train, test)
            ]
            bias, *weights = logistic_regression(features[0], train.label_R)
            scores[f"order {highest}"] = _score(features[1] @ np.array(weights) + bias, test.label_R)
        scores["Bayes"] = _score(test.logit_R, test.label_R)
        return scores

    def diagnose(self, logit_N: NDArray[np.float32]) -> dict[str, float]:
        """Return how much of each planted order the test logits (N,) recover: 0 none of it, 1 all of it.

        These are the least-squares coefficients of the orders' shares of the true logit, which are uncorrelated.
        """
        signal_R = self.parts["test"].signal_R
        x_NK = np.stack([np.ones(len(logit_N)), *signal_R.values()], 1)
        shares = np.linalg.lstsq(x_NK, logit_N.astype(np.float64), rcond=None)[0][1:]
        return {f"recovered_order_{order}": float(share) for order, share in zip(signal_R, shares, strict=True)}


def logistic_regression(x_RK: Floats, label_R: NDArray[np.bool_]) -> Floats:
    """Return the maximum-likelihood intercept and weights, (K + 1,), computed by Newton's method."""
    x_RK = np.hstack([np.ones((len(x_RK), 1)), x_RK])
    weight_K = np.zeros(x_RK.shape[1])
    for _ in range(25):
        p_R = expit(x_RK @ weight_K)
        hessian = (x_RK * (p_R * (1 - p_R))[:, None]).T @ x_RK
        step_K = np.linalg.solve(hessian, x_RK.T @ (label_R - p_R))
        weight_K += step_K
        if np.abs(step_K).max() < 1e-9:
            break
    return weight_K


def _terms(z_RF: Floats) -> dict[int, Floats]:
    """Return the planted products, (R, F // order) for each order: neighbouring terms are multiplied repeatedly."""
    terms = {1: z_RF}
    for order, doubled in pairwise(VARIANCES):
        t = terms[order]
        even = t.shape[1] // 2 * 2
        terms[doubled] = t[:, 0:even:2] * t[:, 1:even:2]
    return terms


def _zipf(n: int) -> Floats:
    weight = np.arange(1, n + 1) ** -ZIPF_EXPONENT
    return weight / weight.sum()


def _standardised(z: Floats, probability: Floats) -> Floats:
    centred = z - probability @ z
    return centred / np.sqrt(probability @ centred**2)


def _dense_latent(u_RN: Floats, missing_RN: NDArray[np.bool_]) -> Floats:
    """Return the standard-normal logarithm, or MISSING_LATENT where missing, standardised under the mixture."""
    mean = MISSING_RATE * MISSING_LATENT
    variance = (1 - MISSING_RATE) + MISSING_RATE * MISSING_LATENT**2 - mean**2
    return (np.where(missing_RN, MISSING_LATENT, u_RN) - mean) / np.sqrt(variance)


def _score(logit_R: Floats, label_R: NDArray[np.bool_]) -> dict[str, float]:
    auc = binary_auroc(torch.from_numpy(expit(logit_R)), torch.from_numpy(label_R).long()).item()
    return {"auc": auc, "logloss": float(np.logaddexp(0, np.where(label_R, -logit_R, logit_R)).mean())}
