"""Frappe_x1 without cost: the files of Frappe_x1 without the field that leaks the label.

In the log `cost` is a function of the item, but a sampled negative has the cost of its positive row: where the two disagree,
the row is a negative. Without `cost`, scores measure what the other nine fields predict.
"""

from datamodules.frappe import Frappe


class FrappeNoCost(Frappe):
    """The published train, valid and test parts with nine fields."""

    title = "Frappe_x1 without cost"
    table_rows = None
    sparse_fields = tuple(name for name in Frappe.sparse_fields if name != "cost")
    columns = ("label", *Frappe.sparse_fields)  # of the files
