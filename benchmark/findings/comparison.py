"""Models compared by blocks: the reference, differences from it, wins, places."""

from typing import Literal

from benchmark.findings.scores import Scores
from benchmark.statistics import Contrasts, Gap, gaps, leader, ranking

Place = Literal["best", "second"]


def better(metric: str) -> int:
    """Return the sign of an improvement: -1 if lower is better."""
    return 1 if metric == "auc" else -1


def reference(present: list[str]) -> str | None:
    """Return the model that the others are compared with: the plain MLP, or the first by name if there is none."""
    return "mlp" if "mlp" in present else min(present, default=None)


def places(contrasts: Contrasts) -> dict[str, Place]:
    """Return the best model and the one after it, only if the best is told apart from every other."""
    best = leader(contrasts)
    return {} if best is None else {best: "best", ranking(contrasts)[1]: "second"}


def differences(scores: Scores, against: str) -> dict[tuple[float | None, str], tuple[Contrasts, Gap]]:
    """Return {(budget, model): model minus the reference}, Holm-corrected within a budget; None is the mean over budgets."""
    families: list[tuple[float | None, Contrasts]] = [*scores.columns.items()]
    if len(scores.columns) > 1:
        families.insert(0, (None, scores.overall))
    by_family = {}
    for budget, contrasts in families:
        for gap in gaps(contrasts, against):
            by_family[budget, gap.a] = contrasts, gap
    return by_family


def verdict(gap: Gap) -> Literal["better", "worse", "not apart"]:
    """Return how the first model of a gap compares with the second."""
    if not gap.apart:
        return "not apart"
    return "better" if gap.value < 0 else "worse"


def wins(scores: Scores) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Return {(model, other): (budgets where it is better, not told apart, worse)}, pairs corrected within each budget."""
    count: dict[tuple[str, str], list[int]] = {}
    for contrasts in scores.columns.values():
        for gap in gaps(contrasts):
            place = {"better": 0, "not apart": 1, "worse": 2}[verdict(gap)]
            count.setdefault((gap.a, gap.b), [0, 0, 0])[place] += 1
            count.setdefault((gap.b, gap.a), [0, 0, 0])[2 - place] += 1
    return {key: (won, tied, lost) for key, (won, tied, lost) in count.items()}
