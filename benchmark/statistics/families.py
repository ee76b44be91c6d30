"""Families of comparisons between models: Holm-corrected differences, letters, ranks, the set that may hold the best."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.statistics.blocks import Contrasts
from benchmark.statistics.groups import letters
from benchmark.statistics.seeds import CONFIDENCE, SIGNIFICANCE, holm, mean_interval
from benchmark.statistics.student import quantile, satterthwaite, two_sided

DIAGRAM_SETS = 6  # the fewest data sets for a diagram of ranks

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Gap:
    """Difference a - b of two models on the working scale; below 0, a is better. nan where nothing is known of the noise."""

    a: str
    b: str
    value: float
    half: float  # of the interval at CONFIDENCE, not corrected for the family
    error: float  # standard error
    degrees: float
    p: float  # two-sided, Holm-corrected over the family

    @property
    def apart(self) -> bool:
        """Return whether the family tells the two models apart."""
        return self.p < SIGNIFICANCE


@dataclass(frozen=True)
class Change:
    """A model's slope per 4x compute, or its last step, on the working scale; below 0, more compute is better."""

    model: str
    value: float
    half: float  # of the interval at CONFIDENCE, not corrected for the family
    p: float  # two-sided, Holm-corrected over the models

    @property
    def verdict(self) -> Literal["gains", "worsens", "not resolved"]:
        """Return what is known of the direction. A change that is not resolved need not be small."""
        if not self.p < SIGNIFICANCE:
            return "not resolved"
        return "gains" if self.value < 0 else "worsens"


@dataclass(frozen=True)
class Candidate:
    """A model's place in the decision; `behind` is on the working scale, one-sided at CONFIDENCE."""

    model: str
    possible: bool  # it may be the best: no other model surely beats it
    behind: float  # at most this far behind the best model; nan if unknown


def gaps(contrasts: Contrasts, reference: str | None = None) -> list[Gap]:
    """Return the differences of all pairs of compared models, or of each minus the reference; Holm-corrected Welch tests."""
    kept = contrasts.compared
    names = range(len(kept.models))
    if reference is None:
        pairs = list(combinations(names, 2))
    else:
        base = [i for i in names if kept.models[i] == reference]
        pairs = [(i, j) for j in base for i in names if i != j]
    if not pairs:
        return []
    first, second = np.array(pairs).T
    value, error, degrees = _difference(kept, first, second)
    adjusted = holm(_p(value, error, degrees).tolist())
    half = quantile((1 + CONFIDENCE) / 2, degrees) * error
    numbers = zip(pairs, value.tolist(), half.tolist(), error.tolist(), degrees.tolist(), adjusted, strict=True)
    return [Gap(kept.models[i], kept.models[j], *rest) for (i, j), *rest in numbers]


def block_letters(contrasts: Contrasts) -> dict[str, str]:
    """Return {model: letters} of the compared models from the best down; empty if there is only one."""
    ranked = ranking(contrasts)
    if len(ranked) < 2:
        return {}
    return letters(ranked, {frozenset((gap.a, gap.b)) for gap in gaps(contrasts) if gap.apart})


def ranking(contrasts: Contrasts) -> list[str]:
    """Return the compared models from the best down, equal ones by name."""
    kept = contrasts.compared
    return [model for _, model in sorted(zip(kept.values.tolist(), kept.models, strict=True))]


def leader(contrasts: Contrasts) -> str | None:
    """Return the model told apart from every other and better, to be printed bold; None if there is none."""
    ranked = ranking(contrasts)
    own = [gap for gap in gaps(contrasts) if ranked[0] in (gap.a, gap.b)]
    return ranked[0] if own and all(gap.apart for gap in own) else None


def rank_intervals(contrasts: Contrasts) -> dict[str, tuple[int, int]]:
    """Return {model: (best, worst possible rank)}, which hold jointly at CONFIDENCE: others told apart bound the rank."""
    kept = contrasts.compared.models
    best, worst = dict.fromkeys(kept, 1), dict.fromkeys(kept, len(kept))
    for gap in gaps(contrasts):
        if gap.apart:
            better, worse = (gap.a, gap.b) if gap.value < 0 else (gap.b, gap.a)
            best[worse] += 1
            worst[better] -= 1
    return {model: (best[model], worst[model]) for model in kept}


def candidates(contrasts: Contrasts) -> list[Candidate]:
    """Return the compared models from the best down, each with whether it may be the best and how far it is behind at most.

    A model is ruled out if another beats it in a one-sided test at SIGNIFICANCE / (K - 1), Bonferroni's level for its K - 1
    comparisons. The set holds the best model at CONFIDENCE.
    """
    kept = contrasts.compared
    count = len(kept.models)
    result = {}
    for i, model in enumerate(kept.models):
        others = np.array([j for j in range(count) if j != i], int)
        value, error, degrees = _difference(kept, np.full(len(others), i), others)
        bound = quantile(1 - SIGNIFICANCE / max(count - 1, 1), degrees) * error
        result[model] = Candidate(model, not (value > bound).any(), float((value + bound).max(initial=0.0)))
    return [result[model] for model in ranking(contrasts)]


def winner(decision: Sequence[Candidate]) -> str | None:
    """Return the one model that may be the best; None if several may, or if there is only one model."""
    possible = [candidate.model for candidate in decision if candidate.possible]
    return possible[0] if len(possible) == 1 and len(decision) > 1 else None


def changes(contrasts: Contrasts) -> list[Change]:
    """Return the compared models' slopes or last steps, each tested against 0, Holm-corrected over the models."""
    kept = contrasts.compared
    rows = np.maximum(np.diag(kept.rows), 0)
    degrees = satterthwaite(kept.variances[:, None], kept.degrees[:, None], rows)
    adjusted = holm(_p(kept.values, np.sqrt(kept.variances + rows), degrees).tolist())
    numbers = zip(kept.models, kept.values.tolist(), kept.half.tolist(), adjusted, strict=True)
    return [Change(*row) for row in numbers]


def over_sets(sets: Sequence[Contrasts]) -> Contrasts:
    """Return the mean over the given data sets of the models that all have; statements are about these sets only.

    Raises ValueError if there is no set.
    """
    if not sets:
        raise ValueError("a mean over data sets needs at least one")
    shared = [model for model in sets[0].models if all(model in part.models for part in sets)]
    places = [[part.models.index(model) for model in shared] for part in sets]
    parts = list(zip(sets, places, strict=True))
    scale = len(sets) ** 2
    variances = np.stack([part.variances[place] for part, place in parts], -1) / scale
    degrees = np.stack([part.degrees[place] for part, place in parts], -1)
    known = (degrees > 0).all(-1)
    return Contrasts(
        tuple(shared),
        np.mean([part.values[place] for part, place in parts], 0),
        variances.sum(-1),
        # a variance unknown in one set leaves the model among the compared, never apart
        np.where(known, np.nan_to_num(satterthwaite(variances, degrees), nan=1.0), 0),
        sum((part.rows[np.ix_(place, place)] for part, place in parts), np.zeros((len(shared), len(shared)))) / scale,
        np.max([part.missing[place] for part, place in parts], 0),
    )


def beyond_sets(sets: Sequence[Contrasts], a: str, b: str) -> tuple[float, float]:
    """Return the mean difference a - b over data sets and its half-width for sets in general, by t over the D sets.

    It is nan for a single set.

    Args:
        sets: that have both models.
        a: a model.
        b: another.
    """
    return mean_interval([float(s.values[s.models.index(a)] - s.values[s.models.index(b)]) for s in sets])


def _difference(kept: Contrasts, first: NDArray[np.intp], second: NDArray[np.intp]) -> tuple[Array, Array, Array]:
    """Return differences, standard errors and degrees of freedom (M,)."""
    parts = np.stack([kept.variances[first], kept.variances[second]], -1)
    own = np.diag(kept.rows)
    rows = np.maximum(own[first] + own[second] - 2 * kept.rows[first, second], 0)
    degrees = satterthwaite(parts, np.stack([kept.degrees[first], kept.degrees[second]], -1), rows)
    return kept.values[first] - kept.values[second], np.sqrt(parts.sum(-1) + rows), degrees


def _p(value: Array, error: Array, degrees: Array) -> Array:
    """Return two-sided p values; nan where the error is nan or zero."""
    return two_sided(value / np.where(error > 0, error, np.nan), degrees)
