"""The replay: what a pruner would have chosen, and at what cost, on the whole curves of a folder's trials.

Blocks of trials are drawn from those of each recorded block, in random order, and run under each rule by the code that
prunes in training. Beside it stands the search without pruning at equal cost: fewer trials, each to its end, by the exact
expectation over all their subsets. Trials that a learning sampler drew are replayed as if their order did not matter.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from benchmark.errors import RunError
from benchmark.findings.summary import LABEL, title
from benchmark.protocol import Protocol
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.reports.cells import INTERVAL, number, text
from benchmark.reports.table import Cell, Column, Table
from benchmark.statistics import mean_interval
from benchmark.statistics.search import expected_best_of
from benchmark.training.pruning import Curve, Race, curve_of

SHARES_OF_EPOCHS = (0.25, 0.5, 0.75)  # at which the default rules start to prune
ORDERS = 200  # random blocks of each recorded block


@dataclass(frozen=True)
class Replay:
    """One rule on the trials of one block: means over random blocks, of the chosen trial's best validation metric."""

    rule: str
    dataset: str
    budget: float  # training MFLOP per example
    block: int
    model: str
    cost: float  # epochs trained, as a share of those without pruning
    pruned: float  # of the trial that the pruned search chooses
    full: float  # of the best trial without pruning
    equal_cost: float  # expected best of fewer trials without pruning, at the cost of the pruned search
    spread: tuple[float, float]  # 2.5 and 97.5 % quantiles of what pruning changes in a random block
    same: float  # share of the random blocks in which pruning does not change the choice


def whole_curves(folder: Path, protocol: Protocol) -> dict[tuple[str, float, int, str], list[Curve]]:
    """Return the curves of a folder's complete trials by (data set, budget, block, model).

    Raises RunError if trials were pruned, or if no block has two complete trials of two epochs or more.
    """
    curves: dict[tuple[str, float, int, str], list[Curve]] = {}
    trials = [record for record in store.read(folder) if record.kind == "trial"]
    if cut := next((record for record in trials if record.status == "pruned"), None):
        raise RunError(f"{cut.name} in {folder} was pruned; only trials trained to their end can be replayed")
    for record in trials:
        if record.status == "complete":
            curves.setdefault(_block(record), []).append(curve_of(record, protocol))
    several = {key: own for key, own in curves.items() if len(own) > 1 and max(map(len, own)) > 1}
    if not several:
        raise RunError(f"{folder} has no block with several complete trials of more than one epoch to replay")
    return several


def _block(record: Record) -> tuple[str, float, int, str]:
    return record.dataset, record.budget, record.block, record.model


def rules(protocol: Protocol) -> list[Protocol]:
    """Return the protocol with its own rule if it prunes, or else with each of a set of rules."""
    if protocol.search.pruner != "none":
        return [protocol]
    epochs = protocol.training.epochs
    starts = list(dict.fromkeys(max(1, round(share * epochs)) for share in SHARES_OF_EPOCHS))
    changes: list[dict[str, Any]] = [
        *({"pruner": "percentile", "prune_keep": keep} for keep in (0.75, 0.5)),
        {"pruner": "halving"},
    ]
    return [with_rule(protocol, prune_from=start, **change) for change in changes for start in starts if start < epochs]


def with_rule(protocol: Protocol, **changes: Any) -> Protocol:
    """Return the protocol with other settings of pruning."""
    return protocol.model_copy(update={"search": protocol.search.model_copy(update=changes)})


def named(protocol: Protocol) -> str:
    """Return the name of a protocol's rule in tables."""
    search, first = protocol.search, protocol.first_pruning
    if search.pruner == "percentile":
        return f"percentile, keep {search.prune_keep:g}, from epoch {first}, after {search.prune_after} trials"
    return f"{search.pruner}, from epoch {first}"


def replayed(
    curves: dict[tuple[str, float, int, str], list[Curve]],
    protocol: Protocol,
    *,
    trials: int | None = None,
    orders: int = ORDERS,
    seed: int = 0,
) -> Iterator[Replay]:
    """Yield the replay of a protocol's rule on each block.

    Args:
        curves: by (data set, budget, block, model).
        protocol: with the rule.
        trials: of a random block; None, or more than a block has: all of them, in random order.
        orders: number of random blocks.
        seed: of the random blocks.
    """
    sign = 1.0 if protocol.training.monitor == "auc" else -1.0
    for (dataset, budget, block, model), own in curves.items():
        n = min(trials or len(own), len(own))
        chance = random.Random(f"{seed} {dataset} {budget} {block} {model}")  # noqa: S311 (no secret)
        runs = [_run(chance.sample(own, n), protocol, sign) for _ in range(orders)]
        cost = fmean(epochs for epochs, _, _ in runs)
        best = [sign * max(sign * value for value in curve) for curve in own]
        equal_cost = expected_best_of(best, max(1.0, cost * n), lower_is_better=sign < 0)
        full = expected_best_of(best, n, lower_is_better=sign < 0)
        changes = [chosen - whole for _, chosen, whole in runs]
        low, high = np.quantile(changes, (0.025, 0.975)).tolist()
        yield Replay(
            named(protocol),
            dataset,
            budget,
            block,
            model,
            cost,
            full + fmean(changes),  # compared within each random block, whose luck thus cancels
            full,
            equal_cost,
            (low, high),
            fmean(change == 0 for change in changes),
        )


def _run(curves: Sequence[Curve], protocol: Protocol, sign: float) -> tuple[float, float, float]:
    """Return the share of the epochs trained, and the metric of the trial chosen with pruning and without."""
    race = Race(protocol)
    ends = [race.run(curve) for curve in curves]
    epochs = sum(end or len(curve) for end, curve in zip(ends, curves, strict=True))
    scores = [max(sign * value for value in curve) for curve in curves]
    chosen = max(score for score, end in zip(scores, ends, strict=True) if end is None)
    return epochs / sum(map(len, curves)), sign * chosen, sign * max(scores)


def overview(replays: Iterable[Replay], protocol: Protocol) -> Table:
    """Return a row per rule: its cost, and what it gains and loses on average over models, budgets and blocks."""
    sign = 1.0 if protocol.training.monitor == "auc" else -1.0
    by_rule: dict[str, list[Replay]] = {}
    for replay in replays:
        by_rule.setdefault(replay.rule, []).append(replay)
    rows = []
    for rule, own in by_rule.items():
        gains = [sign * (r.pruned - r.equal_cost) for r in own]
        losses = [sign * (r.pruned - r.full) for r in own]
        worst = min(own, key=lambda r: sign * (r.pruned - r.full))
        least = min(own, key=lambda r: sign * (r.pruned - r.equal_cost))
        rows.append(
            (
                text(rule),
                number(fmean(r.cost for r in own), ".2f"),
                number(mean_interval(gains)[0], "+.5f", mean_interval(gains)[1]),
                _of(least, min(gains)),
                number(mean_interval(losses)[0], "+.5f", mean_interval(losses)[1]),
                _of(worst, min(losses)),
                number(fmean(r.same for r in own), ".0%"),
            )
        )
    columns = (
        Column("rule", numeric=False),
        Column("cost"),
        Column("gain at equal cost"),
        Column("least", numeric=False, narrow=False),
        Column("against all trials to the end"),
        Column("worst", numeric=False, narrow=False),
        Column("same choice", narrow=False),
    )
    metric = LABEL[protocol.training.monitor]
    n_blocks = len(next(iter(by_rule.values()))) if by_rule else 0
    legend = (
        f"Validation {metric} of the chosen trial, better if positive. Cost: epochs trained, as a share of those without "
        f"pruning. Gain at equal cost: over the expected best of fewer trials that cost as much. Means over {n_blocks} "
        f"recorded blocks ± half-width of their {INTERVAL} t interval; least and worst name the block at the lower end. Same "
        "choice: how often pruning leaves the chosen trial unchanged; only then does it have the recorded final runs."
    )
    return Table("replay", "Pruning replayed, mean", protocol.name, columns, tuple(rows), legend)


def _of(replay: Replay, value: float) -> Cell:
    where = f"{title(replay.model)} at {replay.budget:g}" + (f", block {replay.block}" if replay.block > 1 else "")
    return Cell(f"{number(value, '+.5f').text} {where}", value)


def by_model(replays: Sequence[Replay], protocol: Protocol) -> Table:
    """Return a row per rule, data set, budget, block and model."""
    sign = 1.0 if protocol.training.monitor == "auc" else -1.0
    rows = tuple(
        (
            text(r.rule),
            text(f"{r.dataset}/{title(r.model)}/{r.budget:g} block {r.block}"),
            number(r.cost, ".2f"),
            number(r.pruned, ".5f"),
            number(r.equal_cost, ".5f"),
            number(sign * (r.pruned - r.equal_cost), "+.5f"),
            number(r.full, ".5f"),
            text(" to ".join(number(x, "+.5f").text for x in sorted(sign * x for x in r.spread))),
            number(r.same, ".0%"),
        )
        for r in replays
    )
    columns = (
        Column("rule", numeric=False),
        Column("block", numeric=False),
        Column("cost"),
        Column("pruned"),
        Column("equal cost"),
        Column("gain"),
        Column("full"),
        Column("change in a block", narrow=False),
        Column("same choice", narrow=False),
    )
    legend = (
        f"Validation {LABEL[protocol.training.monitor]} of the chosen trial, mean over random blocks; full: all trials to the "
        "end. Change in a block: what pruning changes in a single random block, from the 2.5 % to the 97.5 % quantile; better "
        "if positive."
    )
    return Table("replay_by_model", "Pruning replayed, by model", protocol.name, columns, rows, legend, groups=True)
