"""Table of a published table's configurations trained here."""

from benchmark.published.reproduce import FixedStudy
from benchmark.published.tables import Reproduction, Row
from benchmark.reports.cells import T_INTERVAL, number, text, whole
from benchmark.reports.table import Cell, Column, Table
from benchmark.statistics.seeds import mean_interval


def reproduced(table: Reproduction, studies: list[FixedStudy], dataset_title: str) -> Table:
    """Return published and reproduced metrics, with a verdict for each row that has runs.

    Args:
        table: the published table.
        studies: one per row, with its runs.
        dataset_title: for the heading.
    """
    columns = (
        Column("published as", numeric=False),
        Column("model", numeric=False, narrow=False),
        Column("AUC theirs"),
        Column("AUC ours"),
        Column("difference"),
        Column("verdict", numeric=False),
        Column("LogLoss theirs", narrow=False),
        Column("LogLoss ours", narrow=False),
        Column("seeds", narrow=False),
        Column("parameters theirs", narrow=False),
        Column("parameters ours", narrow=False),
        Column("note", numeric=False, narrow=False),
    )
    rows = tuple(_cells(table.rows[study.row], study) for study in studies)
    tolerance = " or ".join(f"{within:g}" for within in sorted({row.within for row in table.rows}))
    legend = (
        f"{table.source}. {table.caveat} Ours: mean over seeds {T_INTERVAL}. Reproduced: the mean differs from the published "
        f"AUC by at most the row's tolerance ({tolerance}), or is within the range of the source's own seeds."
    )
    return Table(table.name, "Published and reproduced", dataset_title, columns, rows, legend)


def _cells(row: Row, study: FixedStudy) -> tuple[Cell, ...]:
    complete = [record for record in study.records() if record.status == "complete" and record.test]
    auc, logloss = ([(record.test or {})[name] for record in complete] for name in ("auc", "logloss"))
    mean, half = mean_interval(auc) if auc else (None, None)
    loss, loss_half = mean_interval(logloss) if logloss else (None, None)
    first = complete[0] if complete else None
    ours = (first.dense_parameters or 0) + (first.embedding_parameters or 0) if first else None
    return (
        text(row.published_as),
        text(study.model),
        number(row.auc),
        number(mean, half=half),
        number(None if mean is None else mean - row.auc, "+.4f"),
        text(verdict(row, auc)),
        number(row.logloss),
        number(loss, half=loss_half),
        whole(len(complete)),
        whole(row.parameters),
        whole(ours),
        text("; ".join(part for part in (row.note, row.source) if part)),
    )


def verdict(row: Row, aucs: list[float]) -> str:
    """Return whether the mean of our AUCs reproduces the published AUC, within tolerance or its source's seed range."""
    if not aucs:
        return "not run"
    mean = sum(aucs) / len(aucs)
    if abs(mean - row.auc) <= row.within:
        return "reproduced"
    if row.seed_aucs and min(row.seed_aucs) <= mean <= max(row.seed_aucs):
        return "reproduced: inside its seeds"
    return f"gap of {number(mean - row.auc, '+.4f').text}"
