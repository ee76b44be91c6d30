"""Ends a training that stands still: no further batch for so long, by its own clock and not by an estimate."""

import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

FLUSH_SECONDS = 1.0  # for what the process has told its parent and is still on the way
EXIT_CODE = 75  # of a process whose training stood still


class Stalled(Exception):
    """A training that made no further step for so many seconds."""

    def __init__(self, seconds: float):
        super().__init__(f"no further step for {seconds:g} s; given up")


class Watch:
    """A thread that ends this process if `alive` is not called for some time; a stalled call cannot be interrupted.

    Args:
        seconds: without a call of `alive`.
        give_up: called before the process ends, to leave a record.
    """

    def __init__(self, seconds: float, give_up: Callable[[], None] = lambda: None):
        self.seconds, self.give_up = seconds, give_up
        self._last = time.monotonic()
        self._over, self._deciding = threading.Event(), threading.Lock()

    def alive(self) -> None:
        """Note that the training goes on."""
        self._last = time.monotonic()

    def __enter__(self) -> Self:
        self.alive()
        threading.Thread(target=self._wait, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._deciding:  # so that a training that ends just now is not given up as well
            self._over.set()

    def _wait(self) -> None:
        while not self._over.wait(min(1.0, self.seconds / 4)):
            with self._deciding:
                if self._over.is_set() or time.monotonic() - self._last < self.seconds:
                    continue
                try:
                    self.give_up()
                    time.sleep(FLUSH_SECONDS)
                finally:
                    os._exit(EXIT_CODE)
