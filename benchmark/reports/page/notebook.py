"""Results as a notebook shows them: HTML without script or style sheet, whose figure is a PNG, as all viewers keep it."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from benchmark.reports.page import template
from benchmark.reports.plots import styled
from benchmark.reports.table import Table

DOTS_PER_INCH = 110


def fragment(folder: str, sections: Sequence[tuple[str, Table, Mapping[str, Figure]]]) -> str:
    """Return the sections as HTML.

    Args:
        folder: of the results.
        sections: verdict, table and figures of each data set or frontier.
    """
    return template(Path(__file__).parent / "notebook.html.jinja").render(
        folder=folder,
        sections=[
            {"verdict": verdict, "table": table, "figures": {name: _png(figure) for name, figure in figures.items()}}
            for verdict, table, figures in sections
        ],
    )


def _png(figure: Figure) -> str:
    """Return a figure as base64 of its PNG."""
    out = io.BytesIO()
    with styled():
        figure.savefig(out, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return base64.b64encode(out.getvalue()).decode()
