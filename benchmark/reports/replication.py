"""Two results folders as replicates: how many pairs of models change places, and how often the intervals hold."""

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np

from benchmark.findings.comparison import verdict
from benchmark.findings.runs import Metric
from benchmark.findings.scores import Scores
from benchmark.findings.summary import LABEL
from benchmark.reports.cells import INTERVAL
from benchmark.reports.table import Cell, Column, Table
from benchmark.statistics import CONFIDENCE, Contrasts, gaps, replicate_coverage

Sides = Mapping[Metric, tuple[Scores, Scores]]  # of folders A and B

COLUMNS = (
    "metric",
    "at",
    "pairs",
    "apart in A",
    "apart in B",
    "in one only",
    "turned",
    "means",
    "within ±",
    "expected",
)
LEGEND = (
    "Pairs of models that both folders compare: those told apart in A, in B, in one of them only, and those of which the "
    "better in A is the worse in B. Then the means of both folders, how many lie within the other's "
    f"{INTERVAL} interval, and how many would on average if the two differed by the luck of search and seeds alone. It is a "
    "replication where the protocols differ in search.seed only."
)


def replication(sides: Sides, dataset_title: str, subject: str) -> Table:
    """Return, per metric and budget and for the mean over budgets, how far two folders agree; no rows for single searches.

    Args:
        sides: scores of both folders.
        dataset_title: of the data set that both have.
        subject: of the table.
    """
    rows = []
    for metric, (left, right) in sides.items():
        if left.replicated and right.replicated:
            rows += [_row(LABEL[metric], *family) for family in _families(left, right)]
    columns = tuple(Column(name, numeric=i > 1) for i, name in enumerate(COLUMNS))
    return Table("replication", f"Agreement on {dataset_title}", subject, columns, tuple(rows), LEGEND, groups=True)


def _families(left: Scores, right: Scores) -> Iterator[tuple[str, Contrasts, Contrasts]]:
    """Yield what is compared in both: the models at each budget, and their means over several equal budgets."""
    shared = sorted(left.columns.keys() & right.columns.keys())
    if len(shared) > 1 and left.columns.keys() == right.columns.keys():
        yield "mean", left.overall.compared, right.overall.compared
    for budget in shared:
        yield f"{budget:g}", left.columns[budget].compared, right.columns[budget].compared


def _row(metric: str, at: str, left: Contrasts, right: Contrasts) -> tuple[Cell, ...]:
    models = sorted({*left.models} & {*right.models})
    before, after = ({(g.a, g.b): verdict(g) for g in gaps(side)} for side in (left, right))
    pairs = [(_oriented(before, pair), _oriented(after, pair)) for pair in combinations(models, 2)]
    apart = [(one != "not apart", other != "not apart") for one, other in pairs]
    turned = sum({one, other} == {"better", "worse"} for one, other in pairs)
    inside, expected = _coverage(left, right, models)
    numbers = (
        len(pairs),
        sum(one for one, _ in apart),
        sum(other for _, other in apart),
        sum(one != other for one, other in apart),
        turned,
        2 * len(models),
        inside,
    )
    return Cell(metric), Cell(at), *(Cell(str(n), n) for n in numbers), Cell(f"{expected:.1f}", expected)


def _oriented(verdicts: Mapping[tuple[str, str], str], pair: tuple[str, str]) -> str:
    """Return how the first model of a pair compares with the second, whichever of them a gap names first."""
    if pair in verdicts:
        return verdicts[pair]
    return {"better": "worse", "worse": "better"}.get(verdicts.get(pair[::-1], ""), "not apart")


def _coverage(left: Contrasts, right: Contrasts, models: list[str]) -> tuple[int, float]:
    """Return how many means lie within the other folder's interval, and how many would by luck alone."""
    at = [[side.models.index(model) for model in models] for side in (left, right)]
    apart = np.abs(left.values[at[0]] - right.values[at[1]])
    halves, degrees = (
        np.stack([getattr(side, name)[places] for side, places in zip((left, right), at, strict=True)])
        for name in ("half", "degrees")
    )
    return int((apart <= halves).sum()), float(replicate_coverage(CONFIDENCE, degrees).sum())
