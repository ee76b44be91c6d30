"""Standings: models ranked over the data sets of several results folders that were searched with the same effort."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from benchmark.findings import Findings
from benchmark.findings.runs import Metric
from benchmark.findings.scores import Scores
from benchmark.findings.summary import title
from benchmark.protocol import Protocol
from benchmark.statistics import Contrasts, Gap, block_letters, gaps, over_sets, rank_intervals, ranking

Budget = float | None  # None is the mean over a data set's budgets
RANGES = ("learning_rate", "embedding_l2", "weight_decay", "dropout", "normalisation", "embedding_std")


@dataclass(frozen=True, eq=False)
class Entry:
    """A data set in a results folder: one column of a standing, never averaged with another folder's."""

    board: Findings
    dataset: str
    metric: Metric

    @property
    def scores(self) -> Scores:
        """Return the test scores by blocks."""
        return self.board.scores(self.dataset, self.metric)

    @property
    def models(self) -> list[str]:
        """Return the models that have records."""
        return sorted({record.model for record in self.board.records if record.dataset == self.dataset})

    def at(self, budget: Budget) -> Contrasts | None:
        """Return the models' means at a budget or over all; None if the data set has no such budget."""
        return self.scores.overall if budget is None else self.scores.columns.get(budget)

    def score(self, model: str, budget: Budget) -> tuple[float, float | None] | None:
        """Return a model's mean in natural units and the half-width of its interval; None without a finished block."""
        return self.scores.mean(model) if budget is None else self.scores.at((model, budget))

    def letters(self, budget: Budget) -> dict[str, str]:
        """Return the letters of the compared models."""
        return block_letters(self.scores.overall) if budget is None else self.scores.letters.get(budget, {})

    def compared(self, budget: Budget) -> frozenset[str]:
        """Return the models that enter comparisons."""
        contrasts = self.at(budget)
        return frozenset(contrasts.compared.models if contrasts else ())


@dataclass(frozen=True, eq=False)
class Group:
    """Data sets on which every model was searched with the same effort in the same ranges."""

    effort: str  # in a few words
    ranges: str  # of the training aids
    entries: tuple[Entry, ...]

    @property
    def budgets(self) -> list[float]:
        """Return the budgets of any of the data sets in ascending order."""
        return sorted({budget for entry in self.entries for budget in entry.scores.columns})

    @property
    def replicated(self) -> bool:
        """Return whether some study has several finished blocks; without, nothing can be ranked."""
        return any(entry.scores.replicated for entry in self.entries)


@dataclass(frozen=True, eq=False)
class Standing:
    """The models of a group at one budget or in the mean over budgets, ranked where all the counted data sets have them."""

    group: Group
    budget: Budget

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Return the data sets that have the budget, the counted ones first."""
        present = [entry for entry in self.group.entries if entry.at(self.budget) is not None]
        return (*self.counted, *(entry for entry in present if entry not in self.counted))

    @cached_property
    def counted(self) -> tuple[Entry, ...]:
        """Return the data sets that are ranked over, so that ranked models x data sets is as large as it gets.

        One is taken after the other, those with most models first, while the product does not fall: a data set with few of
        the models must not leave all others unranked. A data set counts in one folder only, since its test rows are the same
        in all. Scores play no part in the choice.
        """
        counted: tuple[Entry, ...] = ()
        shared: frozenset[str] = frozenset()
        for entry in sorted(self.group.entries, key=lambda entry: -len(entry.compared(self.budget))):
            left = entry.compared(self.budget) & shared if counted else entry.compared(self.budget)
            gained = (len(counted) + 1) * len(left) >= len(counted) * len(shared)
            if len(left) > 1 and gained and entry.dataset not in {other.dataset for other in counted}:
                counted, shared = (*counted, entry), left
        return counted

    @cached_property
    def contrasts(self) -> Contrasts | None:
        """Return the models' means over the counted data sets; None if none counts."""
        sets = [contrasts for entry in self.counted if (contrasts := entry.at(self.budget)) is not None]
        return over_sets(sets) if sets else None

    @cached_property
    def ranks(self) -> dict[str, tuple[int, int, int]]:
        """Return {model: (rank, best, worst possible rank)} of the ranked models from the best down."""
        if self.contrasts is None:
            return {}
        possible = rank_intervals(self.contrasts)
        return {model: (i, *possible[model]) for i, model in enumerate(ranking(self.contrasts), start=1)}

    @cached_property
    def letters(self) -> dict[str, str]:
        """Return the letters of the ranked models."""
        return block_letters(self.contrasts) if self.contrasts else {}

    @cached_property
    def behind(self) -> dict[str, Gap]:
        """Return the difference of each ranked model from the best, on the working scale."""
        if self.contrasts is None:
            return {}
        return {gap.a: gap for gap in gaps(self.contrasts, ranking(self.contrasts)[0])}

    @property
    def unranked(self) -> list[str]:
        """Return the other models that have records of one of the data sets, by title."""
        present = {model for entry in self.entries for model in entry.models}
        return sorted(present - self.ranks.keys(), key=lambda model: (title(model).lower(), model))


def groups(boards: Sequence[Findings], metric: Metric) -> list[Group]:
    """Return the data sets of all folders in groups of equal effort and ranges, the group with most data sets first.

    Data sets of one group may differ in epochs, batch size, embedding dimension and budgets, which are the same for all
    models of a data set. Folders that split totals of compute are left out: their data sets are parts of one.

    Args:
        boards: findings of the folders.
        metric: to rank by.
    """
    members: dict[tuple[str, str], list[Entry]] = {}
    for board in boards:
        if not board.protocol.totals:
            key = effort(board.protocol), ranges(board.protocol)
            members.setdefault(key, []).extend(Entry(board, dataset, metric) for dataset in board.datasets)
    result = [Group(*key, tuple(entries)) for key, entries in members.items()]
    return sorted(result, key=lambda group: (not group.replicated, -len(group.entries), group.effort, group.ranges))


def effort(protocol: Protocol) -> str:
    """Return in words how much each study was searched: searches x trials, final runs, pruner, share of the rows."""
    search = protocol.search
    searches = f"{search.blocks} search{'es' if search.blocks > 1 else ''}"
    parts = [
        f"{searches} × {search.trials} trial{'s' if search.trials > 1 else ''}, {len(protocol.final.seeds)} final "
        f"run{'s' if len(protocol.final.seeds) > 1 else ''} each"
    ]
    if search.sampler != "tpe":
        parts.append(f"{search.sampler} sampler")
    if search.pruner != "none":
        rule = f"from epoch {search.prune_from}" if search.prune_from else "from half of the epochs"
        kept = f", keeps {search.prune_keep:g} after {search.prune_after}" if search.pruner == "percentile" else ""
        parts.append(f"pruner {search.pruner} ({rule}{kept})")
    if search.train_share < 1:
        parts.append(f"trials on {100 * search.train_share:g} % of the rows")
    if search.n_retrials:
        parts.append(f"{search.n_retrials} retrials of {search.finalists} finalists")
    return ", ".join(parts)


def ranges(protocol: Protocol) -> str:
    """Return in words the ranges and choices of the training aids, which all models share."""
    values = {name: sorted(getattr(protocol.search, name)) for name in RANGES}
    texts = {
        name: ", ".join(f"{v:.12g}".replace("e-0", "e-") if isinstance(v, float) else v for v in kept)
        for name, kept in values.items()
    }
    texts["learning_rate"] = texts["learning_rate"].replace(", ", " to ")
    return "; ".join(f"{name.replace('_', ' ')} {text}" for name, text in texts.items())
