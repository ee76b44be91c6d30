"""The compute-optimal frontier: how low a model's regret to Bayes gets with a total of training compute, and by which split.

The least of several noisy means is too low. So each block's split is chosen by the validation part of the *other* blocks, and
the block gives its own test result at that split: the mean over blocks is unbiased for the regret of a split that is chosen
by so many searches, and a choice that wavers widens the interval. With a single block the choice is its own.

Test rows are the same for all blocks. Of a model with regret r they add 2 r / N to the variance of r: near the true logit the
second moment of the difference of two losses is p (1 - p) (difference of logits)^2, and its mean is 2 r.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from benchmark.findings.summary import title
from benchmark.protocol.totals import Split
from benchmark.records.record import Record
from benchmark.statistics import Blocks, Change, Contrasts, Scale, changes, column, contrasts, slopes

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Spent:
    """A split of a total as one model spent it; `regret` is None without a finished block."""

    split: Split
    model: str
    regret: float | None  # mean over blocks of test LogLoss minus Bayes, on the working scale
    half: float | None  # of its interval; None if unknown
    chosen: int  # blocks for which the others chose this split


@dataclass(frozen=True)
class Optimum:
    """The frontier of one model at one total."""

    model: str
    total: float  # training GFLOP
    regret: float
    half: float | None
    best: Split  # by the validation part of all blocks
    agreeing: int  # blocks for which the others chose it
    blocks: int  # that have a result
    at_end: bool  # no split with a smaller budget, or none with a larger one, was tried: the optimum may lie beyond


@dataclass(frozen=True)
class Check:
    """Whether one model's frontier can be believed."""

    model: str
    gain: Change | None  # mean change of ln regret per 4x total compute; None for fewer than two totals
    rises: tuple[tuple[float, float], ...]  # pairs of totals between which regret surely rises
    lowest: float  # regret of any final run
    passing: int  # final runs at or under the Bayes bound

    @property
    def passed(self) -> bool:
        """Whether the frontier is monotone within its intervals and no run is under the Bayes bound."""
        return not self.rises and not self.passing


@dataclass(frozen=True)
class Frontier:
    """The frontiers of all models on one law."""

    law: str
    spent: list[Spent]
    optima: list[Optimum]
    checks: list[Check]


@dataclass(frozen=True, eq=False)
class _Results:
    """One model's results by split and block, (S, R)."""

    regret: Array  # mean over final runs of ln (test LogLoss - Bayes); nan for a missing block
    valid: Array  # their mean validation LogLoss

    def choice(self, rows: Sequence[int], without: int | None = None) -> int | None:
        """Return the row with the least mean validation LogLoss over the blocks; None if no row has a block.

        Only blocks with a result for every row that any block has are heard: an unfinished one knows its first splits alone.

        Args:
            rows: of the splits of one total.
            without: a block that has no say, unless no other one is heard.
        """
        table = self.valid[rows]
        whole = np.isfinite(table[np.isfinite(table).any(1)]).all(0)
        heard = [block for block in np.flatnonzero(whole) if block != without]
        said = table[:, heard] if heard else table
        means = {row: np.nanmean(of) for row, of in zip(rows, said, strict=True) if np.isfinite(of).any()}
        return min(means, key=lambda row: means[row], default=None)


def frontier(
    records: Iterable[Record], splits: Sequence[Split], *, n_blocks: int, bayes: float, test_rows: int
) -> Frontier:
    """Return the frontier of every model that has final runs.

    Args:
        records: of a results folder.
        splits: all of one law.
        n_blocks: of each study.
        bayes: LogLoss of the Bayes bound on the test part.
        test_rows: of the test part.
    """
    place = {(split.dataset, split.budget): i for i, split in enumerate(splits)}
    runs: dict[str, list[Record]] = {}
    for record in records:
        if record.kind == "final" and record.status == "complete" and (record.dataset, record.budget) in place:
            runs.setdefault(record.model, []).append(record)
    results = {model: _results(finals, place, n_blocks, bayes) for model, finals in sorted(runs.items())}
    rows: dict[float, list[int]] = {}
    for i, split in enumerate(splits):
        rows.setdefault(split.total, []).append(i)
    votes = {
        (model, total): [result.choice(rows[total], block) for block in range(n_blocks)]
        for total in sorted(rows)
        for model, result in results.items()
    }
    values = {
        key: [math.nan if row is None else float(results[key[0]].regret[row, b]) for b, row in enumerate(chosen)]
        for key, chosen in votes.items()
    }
    best = _blocks({key: of for key, of in values.items() if np.isfinite(of).any()}, test_rows)
    scale, optima = Scale("logloss", bayes), []
    for total in best.budgets:
        ends = [agg(splits[i].budget for i in rows[total]) for agg in (min, max)]
        for model, (regret, half) in _means(column(best, total), scale).items():
            chosen = results[model].choice(rows[total])
            assert chosen is not None  # noqa: S101 (it has a mean)
            own, finished = splits[chosen], np.isfinite(values[model, total])
            agreeing = sum(np.array(votes[model, total])[finished] == chosen)
            optima.append(
                Optimum(model, total, regret, half, own, int(agreeing), int(finished.sum()), own.budget in ends)
            )
    return Frontier(splits[0].law, _spent(splits, results, votes, scale, test_rows), optima, _checks(runs, best, bayes))


def sentence(result: Frontier, law: str) -> str:
    """Return what each model reaches at the largest total; models are not told apart here.

    Args:
        result: the frontiers.
        law: title of their data set.
    """
    last = max((optimum.total for optimum in result.optima), default=0.0)
    parts = []
    for optimum in sorted((o for o in result.optima if o.total == last), key=lambda o: o.regret):
        half = "" if optimum.half is None else f" ± {optimum.half:.4f}"
        how = f"{optimum.best.budget:g} MFLOP x {optimum.best.rows:,} rows"
        parts.append(f"{title(optimum.model)} {optimum.regret:.4f}{half} ({how})")
    reached = f"regret to Bayes at the best split of {last:g} GFLOP: {', '.join(parts)}"
    return f"{law}: {reached if parts else 'no final run is complete'}."


def _spent(
    splits: Sequence[Split],
    results: Mapping[str, _Results],
    votes: Mapping[tuple[str, float], Sequence[int | None]],
    scale: Scale,
    test_rows: int,
) -> list[Spent]:
    """Return every split of every model."""
    every = {(model, float(i)): of.regret[i].tolist() for model, of in results.items() for i in range(len(splits))}
    blocks, spent = _blocks(every, test_rows), []
    for i, split in enumerate(splits):
        means = _means(column(blocks, float(i)), scale)
        for model in results:
            regret, half = means.get(model, (None, None))
            spent.append(Spent(split, model, regret, half, votes[model, split.total].count(i)))
    return spent


def _results(finals: Sequence[Record], place: Mapping[tuple[str, float], int], n_blocks: int, bayes: float) -> _Results:
    """Return one model's results; a run at or under the bound has no logarithm and is left out."""
    regrets: dict[tuple[int, int], list[float]] = {}
    valids: dict[tuple[int, int], list[float]] = {}
    for record in finals:
        assert record.test and record.valid  # noqa: S101 (a complete final run has both)
        cell = place[record.dataset, record.budget], record.block - 1
        if record.test["logloss"] > bayes:
            regrets.setdefault(cell, []).append(math.log(record.test["logloss"] - bayes))
            valids.setdefault(cell, []).append(record.valid["logloss"])
    regret, valid = (np.full((len(place), n_blocks), np.nan) for _ in range(2))
    for table, cells in ((regret, regrets), (valid, valids)):
        for cell, runs in cells.items():
            table[cell] = np.mean(runs)
    return _Results(regret, valid)


def _blocks(values: Mapping[tuple[str, float], Sequence[float]], test_rows: int) -> Blocks:
    """Return the blocks of ln regret, with the variance by test rows of each mean: (2 r / N) / r^2."""
    means = np.array([np.nanmean(of) if np.isfinite(of).any() else 0.0 for of in values.values()])
    return Blocks(values, np.diag(2 / (test_rows * np.exp(means))))


def _means(contrasts: Contrasts, scale: Scale) -> dict[str, tuple[float, float | None]]:
    """Return {model: (regret, half-width or None)} in natural units."""
    half = [None if math.isnan(h) else h for h in contrasts.half.tolist()]
    numbers = zip(contrasts.models, contrasts.values.tolist(), half, strict=True)
    return {m: (scale.natural(y) - scale.floor, None if h is None else scale.half(y, h)) for m, y, h in numbers}


def _checks(runs: Mapping[str, Sequence[Record]], best: Blocks, bayes: float) -> list[Check]:
    """Return the check of each model; a rise counts if its interval lies above 0."""
    rises: dict[str, list[tuple[float, float]]] = {model: [] for model in runs}
    for low, high in pairwise(best.budgets):
        step = contrasts(best, {(m, t): sign for m in best.models for t, sign in ((low, -1.0), (high, 1.0))})
        for model, value, half in zip(step.models, step.values.tolist(), step.half.tolist(), strict=True):
            if value > half:
                rises[model].append((low, high))
    gains = {change.model: change for change in changes(slopes(best, {study: study[1] for study in best.values}))}
    regret = {m: [record.test["logloss"] - bayes for record in of if record.test] for m, of in runs.items()}
    return [
        Check(m, gains.get(m), tuple(rises[m]), min(regret[m]), sum(value <= 0 for value in regret[m])) for m in runs
    ]
