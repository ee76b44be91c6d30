"""What is learnt of each planted order of interaction."""

from benchmark.findings.orders import Recovery
from benchmark.findings.summary import title
from benchmark.reports.cells import number, text
from benchmark.reports.table import Cell, Column, Table


def orders(found: list[Recovery], subject: str) -> Table:
    """Regret to the Bayes bound, and the share of each order's part of the true logit."""
    planted = sorted({order for r in found for order in r.share})
    rows = [
        (
            Cell(f"{r.budget:g}", r.budget),
            text(title(r.model)),
            number(r.regret[0], ".4f", r.regret[1]),
            *(number(*_cell(r, order)) for order in planted),
        )
        for r in found
    ]
    columns = (
        Column("budget"),
        Column("model", numeric=False),
        Column("LogLoss above Bayes"),
        *(Column(f"order {order}") for order in planted),
    )
    legend = (
        "Means over seeds ± half-width of the 95 % t interval. Order o: least-squares coefficient of the true logit's part of "
        "order o in the model's test logits; 0 means that nothing of it was learnt, 1 all of it."
    )
    return Table("orders", "Planted orders of interaction", subject, columns, tuple(rows), legend, groups=True)


def _cell(r: Recovery, order: int) -> tuple[float | None, str, float | None]:
    mean, half = r.share.get(order, (None, None))
    return mean, ".3f", half
