"""Table of our results beside published ones."""

import polars as pl

from benchmark.findings.summary import title
from benchmark.published.facts import Fact, comparability
from benchmark.reports.cells import number, size, text
from benchmark.reports.table import Column, Table


def published(summary: pl.DataFrame, facts: tuple[Fact, ...], dataset_title: str, subject: str) -> Table:
    """Return each model at our largest budget beside published results, with the reasons why they are not comparable.

    Args:
        summary: one row per (data set, budget, model) of one data set.
        facts: published results on it.
        dataset_title: title of the data set.
        subject: data set and protocol, for the heading.
    """
    rows = []
    ours = summary.drop_nulls("auc").sort("budget", descending=True).unique("model", keep="first", maintain_order=True)
    for row in ours.iter_rows(named=True):
        rows.append(
            (
                text(title(row["model"])),
                text("this suite"),
                number(row["auc"], half=row["auc_interval"]),
                number(row["logloss"], half=row["logloss_interval"]),
                size(row["training_flops"]),
                size(row["dense_parameters"] + row["embedding_parameters"] if row["dense_parameters"] else None),
                text(
                    f"largest of our budgets; {row['trials']} trials, {row['finals']} final runs in {row['blocks']} blocks"
                ),
            )
        )
    for fact in facts:
        rows.append(
            (
                text(fact.model),
                text(fact.origin),
                number(fact.auc),
                number(fact.logloss),
                size(fact.training_flops),
                size(fact.parameters),
                text("; ".join(part for part in (fact.note, fact.source) if part)),
            )
        )
    rows.sort(key=lambda row: (str(row[0].value).lower(), row[1].value != "this suite"))
    origins = sorted({fact.origin for fact in facts})
    legend = " ".join(f"{origin}: {comparability(dataset_title, origin)}." for origin in origins)
    names = ("AUC", "LogLoss", "training FLOP", "parameters")
    columns = (
        Column("model", numeric=False),
        Column("from", numeric=False),
        *map(Column, names),
        Column("note", False, False),
    )
    return Table("published", "Published results for comparison", subject, columns, tuple(rows), legend, groups=True)
