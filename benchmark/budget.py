"""Solves the widths of a sampled shape so that it meets a FLOP budget before anything is trained."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from optuna.trial import FixedTrial

from benchmark.protocol.numbers import TOLERANCE
from models.base import Budget, Config, Shape
from models.base.config import NARROW, NARROWEST, TRAINING_FLOPS_PER_FORWARD_FLOP

CLOSE = 0.002  # nearer than this, single widths are not trimmed any further
MULTIPLE, MULTIPLE_FROM = 8, 1e6  # widths are multiples of 8, which kernels like, from so many training FLOPs on
TRIM_FACTOR = 2.0  # trimming moves a single width by at most this factor


class Infeasible(ValueError):
    """No width of the shape, nor of its smaller forms, meets the budget."""


def training_flops(config: Config, budget: Budget) -> int:
    """Return the training FLOPs per example, 3 x forward."""
    return TRAINING_FLOPS_PER_FORWARD_FLOP * config.flops(budget.n_dense, budget.n_sparse)


def error(config: Config, budget: Budget) -> float:
    """Return the relative distance from the budget, positive above it."""
    return training_flops(config, budget) / budget.training_flops - 1


def fit(shapes: Iterable[Shape], budget: Budget) -> Config:
    """Return the config of the first shape that meets the budget within TOLERANCE; of a model off budget, its only config.

    Shapes are tried with hidden widths of at least NARROW, then of at least NARROWEST. Raises Infeasible.
    """
    nearest, ordered = float("inf"), list(shapes)
    multiples = (MULTIPLE, 1) if budget.training_flops >= MULTIPLE_FROM else (1,)
    for narrowest in (NARROW, NARROWEST):
        for shape in ordered:
            for multiple in multiples:
                config = _Solver(shape, budget, narrowest, multiple).solved()
                off = error(config, budget)
                if abs(off) <= TOLERANCE or not config.budgeted:
                    return config
                nearest = min(nearest, off, key=abs)
    asked = budget.training_flops / 1e6
    closest = f"the nearest has {asked * (1 + nearest):.3g}"
    raise Infeasible(f"no width meets {asked:g} training MFLOP per example within {TOLERANCE:.0%}; {closest}")


def default_config(config_class: type[Config], budget: Budget) -> Config:
    """Return the configuration of trial 0: the model's default shape, solved to the budget. Raises Infeasible."""
    trial: Any = FixedTrial(config_class.default_at(budget))  # has a Trial's methods, not its type
    return fit(config_class.suggest(trial, budget), budget)


class _Solver:
    """Finds a shape's widths among the multiples of a number within bounds."""

    def __init__(self, shape: Shape, budget: Budget, narrowest: int, multiple: int):
        self.shape, self.budget = shape, budget
        self.narrowest, self.multiple = narrowest, multiple

    def solved(self) -> Config:
        """Solve the widths in turn: each but the last may spend its share of what the narrowest config leaves; then trim."""
        shape, n_widths = self.shape, len(self.shape.shares) + 1
        least = [*shape.least, *[self.narrowest] * (n_widths - len(shape.least))]
        widths = list(least)
        room = self.budget.training_flops - self._flops(widths)
        for i, share in enumerate((*shape.shares, 1.0)):
            allowed = self.budget.training_flops if share == 1.0 else self._flops(widths) + share * room
            at = partial(self._with_width, widths, i)
            widths[i] = self._widest(at, allowed, least[i], shape.widest)
        wider = [*widths[:-1], min(widths[-1] + self.multiple, shape.widest)]
        narrow, wide = shape.build(*widths), shape.build(*wider)
        return self._trimmed(self._rounded(min(narrow, wide, key=lambda config: abs(error(config, self.budget)))))

    def _rounded(self, config: Config) -> Config:
        """Round the single widths that trimming may move to multiples, a tapered layer's for one."""
        for name in self.shape.trim if self.multiple > 1 else ():
            widths = [max(self.narrowest, self.multiple * round(w / self.multiple)) for w in getattr(config, name)]
            with suppress(ValueError):  # they must be multiples of something else
                config = config.with_field(name, tuple(widths))
        return config

    def _with_width(self, widths: list[int], i: int, width: int) -> int:
        return self._flops([*widths[:i], width, *widths[i + 1 :]])

    def _flops(self, widths: list[int]) -> int:
        return training_flops(self.shape.build(*widths), self.budget)

    def _widest(self, flops: Callable[[int], int], allowed: float, least: int, most: int) -> int:
        """Return the largest width whose FLOPs are allowed, or the least. FLOPs must not fall as the width grows."""
        unit = self.multiple if least >= self.multiple else 1  # every value of a rank or a head's width counts
        low, last = -(-least // unit), most // unit
        high = low + 1
        while high <= last and flops(high * unit) <= allowed:
            low, high = high, 2 * high
        high = min(high, last + 1)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if flops(middle * unit) <= allowed else (low, middle)
        return low * unit

    def _trimmed(self, config: Config) -> Config:
        """Move single hidden widths, one after another, as long as that brings the config closer to the budget."""
        for name in self.shape.trim:
            for i in range(len(getattr(config, name))):
                if abs(error(config, self.budget)) <= CLOSE:
                    return config
                config = min([config, *self._moved(config, name, i)], key=lambda c: abs(error(c, self.budget)))
        return config

    def _moved(self, config: Config, name: str, i: int) -> list[Config]:
        """Return the config with entry i of a tuple of widths at the two values around the budget, where they are allowed."""
        widths: tuple[int, ...] = getattr(config, name)
        least = max(self.narrowest, round(widths[i] / TRIM_FACTOR))
        most = min(self.shape.widest, round(widths[i] * TRIM_FACTOR))

        def at(width: int) -> Config:
            return config.with_field(name, (*widths[:i], width, *widths[i + 1 :]))

        try:
            best = self._widest(lambda w: training_flops(at(w), self.budget), self.budget.training_flops, least, most)
            return [at(best), at(min(best + self.multiple, most))]
        except ValueError:  # this entry must be a multiple of something, FinalMLP's last widths for one
            return []
