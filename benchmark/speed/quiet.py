"""Whether a machine was quiet during a measurement: the measuring process had its core, and hardly another was busy."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

LEAST_SHARE = 0.95  # CPU seconds per second of one thread that waits for nobody
MOST_OTHER_CORES = 0.25  # a busy neighbour takes memory bandwidth and clock speed, even on a core of its own


@dataclass(frozen=True)
class Moment:
    """Readings of the clocks, in seconds."""

    wall: float
    own: float  # CPU time of this process
    all: float | None  # CPU time of all processes on all cores; None where the system does not say

    @classmethod
    def now(cls) -> Self:
        """Return the current readings."""
        return cls(time.perf_counter(), time.process_time(), _busy_seconds())


@dataclass(frozen=True)
class Load:
    """What a measurement had of its core, and what ran beside it."""

    share: float  # CPU seconds of the measuring process per second
    other_cores: float | None  # busy with other processes, on average; None: unknown

    @classmethod
    def between(cls, before: Moment, after: Moment) -> Self:
        """Return the load between two moments."""
        wall, own = after.wall - before.wall, after.own - before.own
        if before.all is None or after.all is None:
            return cls(own / wall, None)
        return cls(own / wall, max(0.0, (after.all - before.all - own) / wall))

    @property
    def quiet(self) -> bool:
        """Whether the figures are those of the machine and not of its load."""
        return self.share >= LEAST_SHARE and (self.other_cores or 0.0) <= MOST_OTHER_CORES

    @property
    def sentence(self) -> str:
        """Return the load in words."""
        others = "" if self.other_cores is None else f", and {self.other_cores:.1f} other cores were busy"
        return f"the measuring thread had its core for {100 * self.share:.0f} % of the time{others}"


def _busy_seconds() -> float | None:
    """Return the seconds that all cores together have been busy since the start of the machine; None if not on Linux."""
    try:
        first = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0]
    except OSError:
        return None
    user, nice, system, _idle, _waiting, *interrupts = map(int, first.split()[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")
