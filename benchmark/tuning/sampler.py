"""The sampler of a study: Optuna's, made to draw the same trials whether or not the study was interrupted."""

from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from benchmark.protocol import digest


class SlotSampler(optuna.samplers.BaseSampler):
    """Draws trial number `slot` of a study as a function of (seed, slot, finished trials).

    Slot 0 gets the model's default parameters. Optuna's own samplers restart their random stream when a study is resumed,
    and then repeat its first trials.

    Args:
        kind: tpe or random.
        seed: of the search.
        default: parameters of slot 0.
    """

    def __init__(self, kind: str, seed: int, default: dict[str, Any]):
        self.kind, self.seed, self.default = kind, seed, default
        self.slot = 0
        self._sampler = self._fresh()

    def next_slot(self, slot: int) -> None:
        """Set the slot of the next trial."""
        self.slot = slot
        self._sampler = self._fresh()

    def _fresh(self) -> optuna.samplers.BaseSampler:
        seed = int(digest([self.seed, self.slot]), 16) % 2**32
        if self.kind == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        return optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=8, n_ei_candidates=24, multivariate=True, group=False, constant_liar=False
        )

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Delegate to the wrapped sampler; slot 0 has no relative space."""
        return {} if self.slot == 0 else self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Delegate to the wrapped sampler."""
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return the default in slot 0; otherwise delegate to the wrapped sampler."""
        if self.slot == 0 and param_name in self.default:
            return self.default[param_name]
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)
