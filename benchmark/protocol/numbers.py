"""The numbers that a key of a protocol allows, checked by type and range where the protocol is read."""

import math
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator

TOLERANCE = 0.02  # |FLOPs / budget - 1| that still counts as on budget
MOST_SEEDS = 2**32


@dataclass(frozen=True)
class Range:
    """Finite numbers within bounds."""

    low: float
    high: float = math.inf
    whole: bool = False
    above: bool = False  # the lower bound is not allowed itself
    below: bool = False  # nor the upper one

    def __call__(self, value: Any) -> Any:
        """Return the value. Raises ValueError if it is no number, or none of these; true and false are no numbers."""
        is_number = isinstance(value, int if self.whole else int | float) and not isinstance(value, bool)
        if not is_number or not self._holds(value):
            raise ValueError(f"{_written(value)} is not allowed; use {self}")
        return value

    def _holds(self, value: float) -> bool:
        try:
            number = float(value)
        except OverflowError:  # a whole number of more than 308 digits
            return False
        if not math.isfinite(number):
            return False
        above = number > self.low if self.above else number >= self.low
        return above and (number < self.high if self.below else number <= self.high)

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a finite number"
        low = f"above {self.low:,.10g}" if self.above else f"from {self.low:,.10g}"
        if self.high == math.inf:
            return f"{kind} {low}" if self.above else f"{kind} {low} on"
        return f"{kind} {low} to {'below ' * self.below}{self.high:,.10g}"


def _written(value: Any) -> str:
    """Return a value as TOML writes it, cut to a length that a line can hold."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _whole(low: int, high: int) -> BeforeValidator:
    return BeforeValidator(Range(low, high, whole=True))


Count = Annotated[int, _whole(1, 2**31 - 1)]
Blocks = Annotated[int, _whole(1, 1000)]
Trials = Annotated[int, _whole(1, 100_000)]
Epochs = Annotated[int, _whole(1, 100_000)]
Width = Annotated[int, _whole(1, 65_536)]
Seed = Annotated[int, _whole(0, MOST_SEEDS - 1)]
Budget = Annotated[float, BeforeValidator(Range(0, 1e9, above=True))]  # training MFLOP per example
Total = Annotated[float, BeforeValidator(Range(0, 1e15, above=True))]  # training GFLOP of one run
Part = Annotated[float, BeforeValidator(Range(0, 1, above=True))]
Inside = Annotated[float, BeforeValidator(Range(0, 1, above=True, below=True))]
Share = Annotated[float, BeforeValidator(Range(0, 1, below=True))]
Strength = Annotated[float, BeforeValidator(Range(0))]
Positive = Annotated[float, BeforeValidator(Range(0, above=True))]
