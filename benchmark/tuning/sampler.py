"""The sampler of a study: Optuna's, made to draw the same trials whether or not the study was interrupted."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial

from benchmark.protocol import digest

MOST_STARTUP = 8  # random trials before TPE draws by what it has seen


class SlotSampler(optuna.samplers.BaseSampler):
    """Draws trial number `slot` of a study as a function of (key, slot, finished trials).

    Some slots get fixed parameters: the model's default and its published recipe. Optuna's own samplers restart their random
    stream when a study is resumed, and then repeat its first trials.

    Args:
        kind: tpe or random.
        key: of the draws; studies with different keys share none.
        fixed: parameters of the slots that are not drawn; a parameter that a slot does not fix is drawn.
        startup: number of trials, the fixed ones included, after which TPE draws by what it has seen.
    """

    def __init__(self, kind: str, key: Sequence[object], fixed: Mapping[int, Mapping[str, Any]], startup: int = 0):
        self.kind, self.key, self.fixed, self.startup = kind, key, fixed, startup
        self.slot = 0
        self._sampler = self._fresh()

    def next_slot(self, slot: int) -> None:
        """Set the slot of the next trial."""
        self.slot = slot
        self._sampler = self._fresh()

    def _fresh(self) -> optuna.samplers.BaseSampler:
        seed = int(digest([*self.key, self.slot]), 16) % 2**32
        if self.kind == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        return optuna.samplers.TPESampler(
            seed=seed,
            n_startup_trials=self.startup,
            n_ei_candidates=24,
            multivariate=True,
            group=False,
            constant_liar=False,
        )

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Delegate to the wrapped sampler; fixed slots have no relative space."""
        return {} if self.fixed.get(self.slot) else self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Delegate to the wrapped sampler."""
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return a fixed slot's value, or the nearest that the space allows; otherwise delegate to the wrapped sampler."""
        fixed = self.fixed.get(self.slot, {})
        if param_name in fixed:
            return nearest_allowed(fixed[param_name], param_distribution)
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)


def startup_trials(trials: int) -> int:
    """Return how many trials of a block are random before TPE learns from them: at most half, at most MOST_STARTUP."""
    return min(MOST_STARTUP, trials // 2)


def nearest_allowed(value: Any, space: BaseDistribution) -> Any:
    """Return the value of a parameter's space that is nearest to the given one; numbers compare by ratio, then by distance."""
    if isinstance(space, CategoricalDistribution):
        if value in space.choices or not isinstance(value, int | float):
            return value if value in space.choices else space.choices[0]
        return min(space.choices, key=lambda choice: _distance(float(choice or 0), float(value)))
    assert isinstance(space, IntDistribution | FloatDistribution)  # noqa: S101 (tells mypy)
    return min(max(value, space.low), space.high)


def _distance(a: float, b: float) -> tuple[float, float]:
    ratio = abs(math.log(a / b)) if a > 0 and b > 0 else math.inf
    return ratio, abs(a - b)
