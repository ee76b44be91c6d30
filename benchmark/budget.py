"""Solve the widths of a sampled shape so that it meets a FLOP budget before anything is trained."""

from collections.abc import Callable, Iterable
from typing import Any

from optuna.trial import FixedTrial

from models.base import Budget, Config, Shape
from models.base.config import TRAINING_FLOPS_PER_FORWARD_FLOP

TOLERANCE = 0.02  # |FLOPs / budget - 1| that still counts as on budget
CLOSE = 0.002  # within this, single widths are trimmed no further
WIDEST = 1 << 24


class Infeasible(ValueError):
    """No width of the shape or of its smaller fallbacks meets the budget."""


def training_flops(config: Config, budget: Budget) -> int:
    """Return the training FLOPs per example, 3 x forward."""
    return TRAINING_FLOPS_PER_FORWARD_FLOP * config.flops(budget.n_dense, budget.n_sparse)


def error(config: Config, budget: Budget) -> float:
    """Return the relative distance from the budget; positive above it."""
    return training_flops(config, budget) / budget.training_flops - 1


def fit(shapes: Iterable[Shape], budget: Budget) -> Config:
    """Return the first config within TOLERANCE of the budget, trying the shapes in turn.

    A model without a width to spend FLOPs on (`budgeted` is False) gets its config even if it is off budget. Raises
    Infeasible if no shape fits.
    """
    nearest = float("inf")
    for shape in shapes:
        config = _trimmed(_solved(shape, budget), shape.trim, budget)
        off = error(config, budget)
        if abs(off) <= TOLERANCE or not config.budgeted:
            return config
        nearest = min(nearest, off, key=abs)
    raise Infeasible(
        f"no width meets {budget.training_flops / 1e6:g} training MFLOP per example; the nearest is {nearest:+.1%} off"
    )


def default_config(config_class: type[Config], budget: Budget) -> Config:
    """Return the config of trial 0: the model's default shape, solved to the budget. Raises Infeasible."""
    trial: Any = FixedTrial(config_class.default)  # has the methods of a Trial but not its type
    return fit(config_class.suggest(trial, budget), budget)


def _solved(shape: Shape, budget: Budget) -> Config:
    """Solve the widths in turn; each but the last may spend its share of the FLOPs left by the narrowest config."""

    def flops(*widths: int) -> int:
        return training_flops(shape.build(*widths), budget)

    widths = [1] * (len(shape.shares) + 1)
    room = budget.training_flops - flops(*widths)
    for i, share in enumerate((*shape.shares, 1.0)):
        before, after = widths[:i], widths[i + 1 :]
        spent = flops(*widths)
        allowed = budget.training_flops if share == 1.0 else spent + share * room
        widths[i] = _widest(lambda w, b=before, a=after: flops(*b, w, *a), allowed)  # type: ignore[misc]
    narrow, wide = (shape.build(*widths[:-1], widths[-1] + step) for step in (0, 1))
    return min(narrow, wide, key=lambda config: abs(error(config, budget)))


def _widest(flops: Callable[[int], int], allowed: float) -> int:
    """Return the largest width within the allowed FLOPs, at least 1; FLOPs must not decrease with the width."""
    low, high = 1, 2
    while high < WIDEST and flops(high) <= allowed:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if flops(middle) <= allowed else (low, middle)
    return low


def _trimmed(config: Config, names: tuple[str, ...], budget: Budget) -> Config:
    """Move single hidden widths in turn while that brings the config closer to the budget."""
    for name in names:
        for i in range(len(getattr(config, name))):
            if abs(error(config, budget)) <= CLOSE:
                return config
            config = min([config, *_moved(config, name, i, budget)], key=lambda c: abs(error(c, budget)))
    return config


def _moved(config: Config, name: str, i: int, budget: Budget) -> list[Config]:
    """Return the configs with entry i of a tuple of widths at the two values around the budget, if the model allows them."""
    widths: tuple[int, ...] = getattr(config, name)

    def at(width: int) -> Config:
        return config.with_field(name, (*widths[:i], width, *widths[i + 1 :]))

    moved = []
    try:
        best = _widest(lambda width: training_flops(at(width), budget), budget.training_flops)
        moved = [at(best), at(best + 1)]
    except ValueError:  # some widths must be multiples, e.g. FinalMLP's last ones
        pass
    return moved
