"""Figures as files: equal figures give equal bytes."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmark.reports.plots.style import styled

METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def save(figure: Figure, stem: Path, *, pdf: bool = False) -> list[Path]:
    """Write the figure as PNG and SVG and return the files; equal figures give equal bytes.

    Args:
        figure: to write.
        stem: path without suffix.
        pdf: write it as PDF, too.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = []
    with styled():
        if engine := figure.get_layout_engine():
            engine.execute(figure)
            figure.set_layout_engine(None)  # laid out once, for all formats; "none" would draw each of them twice
        for suffix, metadata in METADATA.items():
            if suffix != ".pdf" or pdf:
                paths.append(stem.with_name(stem.name + suffix))
                figure.savefig(paths[-1], metadata=metadata)
    return paths
