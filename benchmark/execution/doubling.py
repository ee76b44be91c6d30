"""The doubling check: the winners of a results folder, trained again with twice the epochs, schedule stretched.

That the best epoch is the last says nothing under a rate that falls to zero; that twice the epochs gain nothing does. The gain
is measured on the validation part, so that the epochs of a protocol can be chosen by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

import models
from benchmark.errors import RunError
from benchmark.execution.devices import chosen_device, lanes_here
from benchmark.execution.own import Own, OwnStudy
from benchmark.execution.run import in_lanes
from benchmark.execution.studies import by_cell, facts, studies_of
from benchmark.output import Screen
from benchmark.protocol import Protocol
from benchmark.records.folder import Folder, claimed
from benchmark.study import OnEvent, Study, of_kind, winner

SEEDS = 3  # at least as many runs of each model are trained again: of one block, or spread over the blocks


@dataclass(frozen=True)
class DoubledStudy(OwnStudy):
    """A finished study whose winner is trained again with twice the epochs."""

    @property
    def name(self) -> str:
        """Name shown on the screen."""
        return f"{super().name} doubled"

    def seeds_left(self) -> list[int]:
        """Return the seeds without a doubled run of the winner."""
        done, best = self.records(), winner(self.records(), self.protocol)
        seeds = sorted(record.seed for record in of_kind(done, "final") if best and record.trial == best.trial)
        finished = {record.seed for record in of_kind(done, "doubled") if best and record.trial == best.trial}
        wanted = -(-SEEDS // self.protocol.search.blocks)
        return [seed for seed in seeds[:wanted] if seed not in finished] if best else []

    def runs_left(self) -> int:
        """Return how many trainings are missing."""
        return len(self.seeds_left())


def double(
    folder: Path,
    protocol: Protocol,
    budgets: tuple[float, ...] | None = None,
    *,
    data_dir: Path | None = None,
    device: str = "auto",
    jobs: int | None = None,
    accept: bool = False,
    names: Sequence[str] | None = None,
    own: Own = Own(),  # noqa: B008 (frozen)
    console: Console | None = None,
) -> None:
    """Train the winners of a results folder with twice the epochs and keep the records beside the others.

    Raises RunError if a study is not finished, if its code has changed since and that is not accepted, or if the protocol
    splits totals of compute. Raises UnknownModel if a model is not known here.

    Args:
        folder: of the results.
        protocol: of the folder.
        budgets: in training MFLOP per example; None: the middle one of the protocol.
        data_dir: folder of the raw data sets; None: the default.
        device: auto, cpu, cuda or cuda:N.
        jobs: studies side by side; None: one for each core, or one for each card.
        accept: compare with winners that other code trained; the records name the change.
        names: of the models whose winners are trained; None: all.
        own: the user's files.
        console: where progress is shown; None: standard output.
    """
    console = console or Screen()
    if protocol.totals:
        raise RunError(f"{folder} holds splits of total compute, in one pass by design; there are no epochs to double")
    chosen = budgets or (sorted(protocol.budgets)[len(protocol.budgets) // 2],)
    if unknown := sorted(set(chosen) - set(protocol.budgets)):
        raise RunError(f"no budget {unknown[0]:g} in {folder}; it has {', '.join(f'{b:g}' for b in protocol.budgets)}")
    if unknown_names := [name for name in names or () if name not in protocol.models]:
        raise RunError(f"no model {unknown_names[0]!r} in {folder}; it has {', '.join(protocol.models)}")
    for name in names or protocol.models:
        models.title(name)
    with claimed(folder):
        results = Folder(folder, accept=accept)
        with console.status("loading the data ..."):
            results.adopt_data(facts(protocol, data_dir), protocol)
        every = studies_of(protocol, folder, data_dir=data_dir, own=own)
        studies = [s for s in every if s.budget in chosen and (names is None or s.model in names)]
        if unfinished := [study.name for study in studies if study.runs_left()]:
            raise RunError(f"{', '.join(unfinished)} not finished; finish the run before you check it")
        results.check_code(list(by_cell(studies)), None, protocol)
        where = chosen_device(device)
        doubled = [_doubled(study, results, where, own) for study in studies]
        left = [study for study in doubled if study.runs_left()]
        runs = sum(study.runs_left() for study in left)
        text = f"{protocol.name}: {runs} runs of {2 * protocol.training.epochs} epochs" if runs else "nothing to train"
        console.print(text)
        if left:
            in_lanes(left, train_doubled, lanes_here(where, jobs, 1), console)


def _doubled(study: Study, folder: Folder, device: str, own: Own) -> DoubledStudy:
    return DoubledStudy(
        study.protocol.doubled(),
        study.dataset,
        study.model,
        study.budget,
        study.results,
        study.storage,
        study.data_dir,
        device,
        block=study.block,
        identity=folder.identity or study.protocol.identity(),
        accepted=folder.accepted(study.cell),
        own=own,
    )


def train_doubled(study: DoubledStudy, on_event: OnEvent) -> None:
    """Train a study's winner with twice the epochs and each seed that has no such run yet."""
    from benchmark.training.runner import Runner
    from models.base import Optimiser

    best = winner(study.records(), study.protocol)
    assert best is not None  # noqa: S101 (a study without a winner has no seeds left)
    with Runner(study, on_event, study) as runner:
        config = runner.model.Config.model_validate(best.config)
        optimiser = Optimiser.model_validate(best.optimiser)
        for seed in study.seeds_left():
            runner.keep(runner.train("doubled", best.trial, seed, config, optimiser, params=best.params))
