"""A standing as a table of the leaderboard: ranks, distance from the best, a column per data set, links to records."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from benchmark.findings import file_name
from benchmark.findings.summary import LABEL, title
from benchmark.reports.cells import INTERVAL, number, text
from benchmark.reports.leaderboard.standings import Budget, Entry, Standing
from benchmark.reports.table import HOLE, Cell, Column, Table
from benchmark.statistics import DIAGRAM_SETS, beyond_sets

Verified = Mapping[Path, set[tuple[str, str]]]  # by folder: data sets and models


@dataclass(frozen=True)
class Heading:
    """The column of a data set: its title, whether it counts, and the report that it links to, if there is one."""

    name: str
    counted: bool
    link: str


@dataclass(frozen=True)
class Row:
    """A model's cells, those of data sets last; for these, links to its records and whether they are unverified."""

    cells: tuple[Cell, ...]
    links: tuple[str, ...]  # empty without records
    unverified: tuple[bool, ...]
    ranked: bool


@dataclass(frozen=True)
class Board:
    """One table of the page."""

    budget: str  # as the page's select names it
    table: Table
    headings: tuple[Heading, ...]
    rows: tuple[Row, ...]
    summary: str  # what it is ranked over, in sentences
    dagger: bool  # some result is unverified

    @property
    def n_own(self) -> int:
        """Return the number of columns before those of the data sets."""
        return len(self.table.columns) - len(self.headings)


def board(standing: Standing, verified: Verified, base: Path) -> Board:
    """Return the table of a standing.

    Args:
        standing: of a group at a budget.
        verified: by folder, what was retrained and came out alike.
        base: folder of the page, to which links are relative.
    """
    names = _names(standing.entries)
    headings = tuple(
        Heading(name, entry in standing.counted or not standing.ranks, _report(entry, base))
        for name, entry in zip(names, standing.entries, strict=True)
    )
    rows = tuple(_row(standing, model, verified, base) for model in (*standing.ranks, *standing.unranked))
    columns = [Column("model", numeric=False)]
    if standing.ranks:
        columns = [Column("rank"), *columns, Column("behind the best")]
    if len(standing.counted) >= DIAGRAM_SETS:
        columns.append(Column("behind, other sets"))
    table = Table(
        "leaderboard",
        "Leaderboard",
        f"{standing.group.effort}, {_budget(standing.budget)}",
        (*columns, *(Column(heading.name) for heading in headings)),
        tuple(row.cells for row in rows),
        _legend(standing),
    )
    dagger = any(mark for row in rows for mark in row.unverified)
    return Board(_budget(standing.budget), table, headings, rows, _summary(standing, names), dagger)


def _names(entries: tuple[Entry, ...]) -> list[str]:
    """Return the titles of the data sets; those in several folders name the folder too."""
    titles = [entry.board.title(entry.dataset) for entry in entries]
    return [
        f"{name} ({entry.board.folder.name})" if titles.count(name) > 1 else name
        for name, entry in zip(titles, entries, strict=True)
    ]


def _budget(budget: Budget) -> str:
    return "mean over budgets" if budget is None else f"{budget:g} MFLOP"


def _report(entry: Entry, base: Path) -> str:
    path = entry.board.folder / "report.html"
    return quote(os.path.relpath(path, base)) if path.is_file() else ""


def _row(standing: Standing, model: str, verified: Verified, base: Path) -> Row:
    cells, links, unverified = [text(title(model))], [], []
    if standing.ranks:
        cells = [_rank(standing, model), *cells, _behind(standing, model), *_general(standing, model)]
    for entry in standing.entries:
        mean, half = entry.score(model, standing.budget) or (None, None)
        letters = entry.letters(standing.budget).get(model, "")
        cells.append(replace(number(mean, half=half), letters=letters))
        folder, own = entry.board.folder, model in entry.models
        records = folder / "records" / file_name(entry.dataset) / f"{file_name(model)}.jsonl"
        links.append(quote(os.path.relpath(records, base)) if own else "")
        unverified.append(own and (entry.dataset, model) not in verified[folder])
    return Row(tuple(cells), tuple(links), tuple(unverified), model in standing.ranks)


def _rank(standing: Standing, model: str) -> Cell:
    if model not in standing.ranks:
        return Cell(HOLE)
    rank, best, worst = standing.ranks[model]
    interval = f" ({best} to {worst})" if best < worst else ""
    ends = (float(best), float(worst), False, False)
    return Cell(f"{rank}{interval}", rank, letters=standing.letters.get(model, ""), ends=ends)


def _behind(standing: Standing, model: str) -> Cell:
    """Return by how much the model's distance from a perfect score exceeds that of the best."""
    if model not in standing.ranks:
        return Cell(HOLE)
    gap = standing.behind.get(model)
    return Cell("best", 0.0) if gap is None else _percent(gap.value, gap.half)


def _general(standing: Standing, model: str) -> list[Cell]:
    """Return the same with the interval for data sets in general, which few sets say nothing about."""
    if len(standing.counted) < DIAGRAM_SETS:
        return []
    gap = standing.behind.get(model)
    sets = [contrasts for entry in standing.counted if (contrasts := entry.at(standing.budget)) is not None]
    return [Cell(HOLE) if gap is None else _percent(*beyond_sets(sets, gap.a, gap.b))]


def _percent(value: float, half: float) -> Cell:
    """Return a difference of logarithms and its half-width in per cent."""
    factor = math.exp(value)
    cell = number(100 * (factor - 1), "+.1f", 100 * factor * half)
    return Cell(f"{cell.text} %", cell.value, half=cell.half)


def _summary(standing: Standing, names: list[str]) -> str:
    """Return what the models are ranked over and what that says, or why they are not ranked."""
    if not standing.group.replicated:
        return "Each study is a single search, whose luck is unknown: the models are listed by name and not ranked."
    if not standing.ranks:
        return (
            "No two models have finished enough searches on the same data set: they are listed by name and not ranked."
        )
    count = len(standing.counted)
    kind = "data set" if count == 1 else "data sets"
    sentences = [f"{len(standing.ranks)} models ranked on {count} {kind}: {', '.join(names[:count])}."]
    if count < DIAGRAM_SETS:
        sentences.append(f"Fewer than {DIAGRAM_SETS} data sets say nothing about other data sets.")
    if standing.unranked:
        sentences.append("Models that lack enough finished searches on one of them are below, without a rank.")
    if count < len(names):
        sentences.append(
            "Columns marked “not counted” have too few of the models, or a data set that counts in another folder."
        )
    return " ".join(sentences)


def _legend(standing: Standing) -> str:
    metric = standing.entries[0].metric
    label = LABEL[metric]
    distance = "1 − AUC" if metric == "auc" else "LogLoss (where the least possible one is known, what exceeds it)"
    if not standing.group.replicated:
        covers = "the seeds of one winner"
        return f"Data sets: mean test {label} ± half-width of the {INTERVAL} interval, which covers {covers}."
    covers = ", ".join(sorted({entry.scores.covers for entry in standing.entries}, key=len))
    general = (
        " Behind, other sets: the same with the interval for data sets in general, from the spread over these."
        if len(standing.counted) >= DIAGRAM_SETS
        else ""
    )
    return (
        f"Rank: by the mean over the counted data sets of ln({'1 − AUC' if metric == 'auc' else 'LogLoss'}); in brackets, "
        f"those possible where several are, jointly at {INTERVAL}. Models that share a letter cannot be told apart. Behind the "
        f"best: how much larger {distance} is than that of the best model, in the geometric mean, ± half-width of the "
        f"{INTERVAL} interval.{general} Data sets: mean test {label} ± half-width of the {INTERVAL} interval, which covers "
        f"{covers}."
    )
