"""The table that decides: models in the mean over budgets."""

from benchmark.findings import Findings
from benchmark.findings.comparison import places
from benchmark.findings.runs import METRICS, Metric
from benchmark.findings.summary import LABEL, title
from benchmark.reports.cells import MARKS, covered, number, text
from benchmark.reports.table import Cell, Column, Table
from benchmark.statistics import SIGNIFICANCE, block_letters


def overall(findings: Findings, dataset: str) -> Table:
    """Return one row per model that has all budgets: means, letters, ranks, and how far it may be behind the best."""
    decided, metric = findings.decision(dataset), findings.metric
    order = [metric, *(other for other in METRICS if other != metric)]
    budgets = findings.scores(dataset, metric).blocks.budgets
    standing = {standing.model: standing for standing in decided.standings}
    scores = {name: means(findings, dataset, name) for name in order}
    rows = []
    for model in scores[metric] if findings.scores(dataset, metric).replicated else []:
        own = standing.get(model)
        rows.append(
            (
                text(title(model)),
                *(scores[name].get(model, number(None)) for name in order),
                text(None if own is None else _span(own.ranks)),
                text(None if own is None else ("yes" if own.possible else "no")),
                number(None if own is None else own.behind),
            )
        )
    columns = (
        Column("model", numeric=False),
        *(Column(LABEL[name]) for name in order),
        Column("rank", narrow=False),
        Column("may be the best", numeric=False),
        Column("behind at most", narrow=False),
    )
    where = f"the mean over {len(budgets)} budgets" if len(budgets) > 1 else "the only budget"
    legend = (
        f"Test part, {where}, on the scales ln LogLoss (above Bayes where known) and ln(1 − AUC), in natural units; mean "
        f"{covered(findings.scores(dataset, metric))}. This is the primary comparison: {MARKS} Letters are by Welch's test, "
        f"Holm-corrected over all pairs. The last three columns are by {LABEL[metric]}: a model is ruled out if another beats "
        f"it one-sidedly at {SIGNIFICANCE:g} / (models − 1). A model without a finished block at every budget, or with more "
        "than a third of the blocks of a study missing, is not compared."
    )
    return Table("overall", "Mean over budgets", findings.heading(dataset), columns, tuple(rows), legend)


def means(findings: Findings, dataset: str, metric: Metric) -> dict[str, Cell]:
    """Return {model: mean over budgets}, the best first.

    Args:
        findings: of a results folder.
        dataset: whose models are compared.
        metric: of the means.
    """
    scores = findings.scores(dataset, metric)
    letters, place = block_letters(scores.overall), places(scores.overall)
    cells = {}
    for _, model in sorted(zip(scores.overall.values.tolist(), scores.overall.models, strict=True)):
        mean, half = scores.mean(model) or (None, None)
        cell = number(mean, half=half)
        cells[model] = Cell(cell.text, cell.value, place.get(model, ""), letters.get(model, ""), cell.half)
    return cells


def _span(ranks: tuple[int, int]) -> str:
    low, high = ranks
    return str(low) if low == high else f"{low} to {high}"
