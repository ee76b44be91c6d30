"""Data cards: a data set described in Markdown with a figure."""

from pathlib import Path

import polars as pl
import seaborn as sns
from matplotlib.figure import Figure

from benchmark.records.files import write_text
from benchmark.reports import plots
from benchmark.reports.formats import pipe_table
from datamodules.base import CTRDataModule, card


def write(data: CTRDataModule, name: str, folder: Path) -> list[Path]:
    """Write the card and its figure and return their paths.

    Args:
        data: the data set, prepared.
        name: of the files, without suffix.
        folder: to write to.
    """
    fields = card.fields(data)
    pictures = plots.save(picture(fields, data.meta["title"]), folder / name)
    path = folder / f"{name}.md"
    write_text(path, text(data, fields, pictures[0].name))
    return [path, *pictures]


def text(data: CTRDataModule, fields: pl.DataFrame, picture_name: str) -> str:
    """Return the card as Markdown.

    Args:
        data: the data set.
        fields: one row per sparse field.
        picture_name: file name of the figure.
    """
    meta = data.meta
    lines = [
        f"# {meta['title']}",
        "",
        f"Licence: {data.licence}. Citation: {data.citation}. Rule set `{meta['encoding']}`, fingerprint "
        f"`{meta['fingerprint']}`.",
        "",
        f"{data.n_dense} dense columns: {', '.join(meta['dense_columns']) or 'none'}. "
        f"{len(fields)} sparse fields with {fields['table_rows'].sum():,} table rows. "
        f"Sequence fields: {', '.join(meta['sparse_columns'][len(fields) :]) or 'none'}."
        + (f" Rows are weighted by {meta['weight_column']}." if "weight_column" in meta else ""),
        "",
        "## Parts",
        "",
        _table(card.balance(data).join(card.duplicates(data), on="part")),
        "",
        "`repeated_within`: rows whose encoded features already occur in an earlier row of the part; `also_in_train`, "
        "`also_in_valid`: rows whose encoded features also occur in that part. Labels are ignored.",
        "",
        "## Sparse fields",
        "",
        f"![embedding table rows per field]({picture_name})",
        "",
        _table(fields),
        "",
    ]
    return "\n".join(lines)


def _table(frame: pl.DataFrame) -> str:
    rows = [[_cell(value) for value in row] for row in frame.iter_rows()]
    return pipe_table(frame.columns, rows, [dtype.is_numeric() for dtype in frame.dtypes])


def _cell(value: object) -> str:
    if value is None:
        return "—"
    if isinstance(value, float):
        return f"{value:.3%}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def picture(fields: pl.DataFrame, title: str) -> Figure:
    """Draw the table rows of each field on a log axis, largest first, and beside them its share of OOV test values."""
    ordered = fields.sort("table_rows", "field", descending=[True, False])
    with plots.styled():
        figure = Figure(figsize=(10, 1.6 + 0.27 * len(ordered)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        colour = sns.color_palette("colorblind")[0]
        sns.barplot(x=ordered["table_rows"].to_numpy(), y=ordered["field"].to_list(), ax=left, color=colour)
        left.set_xscale("log")
        left.set_xlim(1, 8 * ordered["table_rows"].to_numpy().max())
        left.grid(visible=False)
        left.bar_label(left.containers[0], fmt="{:,.0f}", padding=3, fontsize=9)
        left.set(xlabel="embedding table rows", ylabel="")
        sns.barplot(x=100 * ordered["oov_test"].to_numpy(), y=ordered["field"].to_list(), ax=right, color="0.6")
        right.set(xlabel="OOV values in the test part, %", ylabel="")
        for axis in (left, right):
            axis.tick_params(labelsize=9)
            sns.despine(ax=axis, left=True)
        figure.suptitle(title)
    return figure
