"""Frappe_x1 without cost: the same files less the field that leaks.

`cost` is a function of the item in the log, but a sampled negative has the cost of its positive row: where the two disagree,
the row is a negative. Without it, a score says what the other nine fields tell.
"""

from datamodules.frappe import Frappe


class FrappeNoCost(Frappe):
    """The published parts train, valid and test, nine fields."""

    title = "Frappe_x1 without cost"
    table_rows = None
    sparse_fields = tuple(name for name in Frappe.sparse_fields if name != "cost")
    columns = ("label", *Frappe.sparse_fields)  # of the files
