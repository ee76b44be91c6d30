"""Show the progress of a run: a live display on a terminal or in a notebook, plain lines elsewhere."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from benchmark.execution.progress.notebook import CellOutput
from benchmark.findings.summary import LABEL
from benchmark.output import in_notebook
from benchmark.study import Event, Study

OVERHEAD_MFLOP = 0.6  # overhead of a step, as training MFLOP per example; keeps small budgets from counting as free


class RunDisplay:
    """Display of a run: overall progress, time left, and each running study with its best trial so far."""

    def __init__(self, studies: Sequence[Study], console: Console):
        self.console = console
        self.monitor = studies[0].protocol.training.monitor
        self.budget = {study.name: study.budget for study in studies}
        self.left = {study.name: study.runs_left() for study in studies}
        self.total = sum(self._weight(name) * runs for name, runs in self.left.items())
        self.runs, self.runs_done = sum(self.left.values()), 0
        self.done = 0.0
        self.partial: dict[str, float] = {}
        self.best: dict[str, float] = {}
        self.started = time.monotonic()
        self.cell = CellOutput() if in_notebook() and not console.quiet else None
        self.bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %", markup=False),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            disable=self.cell is not None or not console.is_terminal,
        )
        self.overall = self.bars.add_task("all studies", total=1.0, note="")
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def __call__(self, event: Event) -> None:
        """Display one event."""
        name = event.study
        run = f"trial {event.number}" if event.kind == "trial" else f"{event.kind} seed {event.number}"
        if name not in self.tasks:
            self.tasks[name] = self.bars.add_task(name, total=1.0, note="")
        if event.finished is None:
            self.partial[name] = event.share
        else:
            self.partial[name] = 0.0
            record = event.finished
            if record.status in ("complete", "pruned", "collapsed", "failed"):
                self.done += self._weight(name)
                self.runs_done += 1
                self.left[name] -= 1
            if record.kind == "trial" and record.valid:
                value = record.valid[self.monitor]
                better = max if self.monitor == "auc" else min
                self.best[name] = better(value, self.best.get(name, value))
            if not self.console.is_terminal and self.cell is None:
                self._line(event, run)
        note = f"{run}{self._best(name)}"
        self.bars.update(self.tasks[name], completed=self.partial[name], note=note)
        if self.left[name] <= 0:
            self.bars.remove_task(self.tasks.pop(name))
        self.bars.update(
            self.overall, completed=self._share(), note=f"{self.runs_done}/{self.runs} runs, {self._eta()}"
        )
        if self.cell is not None:
            self.cell.show(self.bars.get_renderable(), now=event.finished is not None)

    def _line(self, event: Event, run: str) -> None:
        record = event.finished
        assert record is not None  # noqa: S101 (tells mypy)
        if record.status == "complete":
            metrics = record.test or record.valid or {}
            part = "test" if record.test else "valid"
            result = f"{part} AUC {metrics['auc']:.4f}, LogLoss {metrics['logloss']:.4f}, {record.seconds:.1f} s"
        else:
            result = f"{record.status}: {record.error}"
        self.console.print(
            f"[{self.runs_done}/{self.runs}] {event.study} {run}: {result}{self._best(event.study)}; {self._eta()}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )

    def _best(self, name: str) -> str:
        return f", best valid {LABEL[self.monitor]} {self.best[name]:.4f}" if name in self.best else ""

    def _weight(self, name: str) -> float:
        return OVERHEAD_MFLOP + self.budget[name]

    def _share(self) -> float:
        running = sum(share * self._weight(name) for name, share in self.partial.items())
        return min(1.0, (self.done + running) / self.total) if self.total else 1.0

    def _eta(self) -> str:
        share = self._share()
        if share < 0.01:
            return "estimating time left"
        if self.runs_done >= self.runs:
            return "done"
        return f"{duration((time.monotonic() - self.started) * (1 / share - 1))} left"


def duration(seconds: float) -> str:
    """Return a duration in seconds as text: 45 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
