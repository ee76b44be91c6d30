"""Table of the recovery of planted interaction orders."""

from benchmark.findings.orders import Recovery
from benchmark.findings.summary import title
from benchmark.reports.cells import T_INTERVAL, number, text
from benchmark.reports.table import Cell, Column, Table


def orders(recoveries: list[Recovery], subject: str) -> Table:
    """Return regret relative to the Bayes bound, and the share of each order that was recovered."""
    planted = sorted({order for r in recoveries for order in r.share})
    rows = [
        (
            Cell(f"{r.budget:g}", r.budget),
            text(title(r.model)),
            number(r.regret[0], ".4f", r.regret[1]),
            *(number(*_cell(r, order)) for order in planted),
        )
        for r in recoveries
    ]
    columns = (
        Column("budget"),
        Column("model", numeric=False),
        Column("LogLoss above Bayes"),
        *(Column(f"order {order}") for order in planted),
    )
    legend = (
        f"Mean over blocks {T_INTERVAL} over blocks (the seeds of a single block). Order o: least-squares coefficient of the "
        "true logit's order-o part in the model's test logits; 0 if none of it was learnt, 1 if all of it was."
    )
    return Table("orders", "Planted interaction orders", subject, columns, tuple(rows), legend, groups=True)


def _cell(r: Recovery, order: int) -> tuple[float | None, str, float | None]:
    mean, half = r.share.get(order, (None, None))
    return mean, ".3f", half
