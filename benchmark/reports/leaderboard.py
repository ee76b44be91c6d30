"""A static page over all results folders: one section per folder and data set; tables never mix folders."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmark import findings
from benchmark.errors import RecordError
from benchmark.findings import Findings
from benchmark.records import files
from benchmark.reports import page


def write(results: Path) -> Path:
    """Write leaderboard/index.html over all folders in `results` and return its path.

    Raises RecordError if no folder has records, or if the records of a folder are not comparable.
    """
    folders = sorted(path.parent for path in results.glob("*/protocol.toml"))
    boards = [board for board in map(findings.read, folders) if board.records]
    if not boards:
        raise RecordError(f"no folder in {results} has records; create some with `wukong-bench run`")
    path = results / "leaderboard" / "index.html"
    files.write_text(path, render(boards, path.parent))
    return path


def render(boards: list[Findings], base: Path) -> str:
    """Return the page over these results folders, with links relative to the folder `base`."""
    keys = sorted(
        ((f.title(dataset), f.protocol.name, i, dataset) for i, f in enumerate(boards) for dataset in f.datasets)
    )
    return page.page(
        heading="Leaderboard",
        subtitle="All data sets and protocols. Numbers from different protocols or data are not comparable.",
        sections=[_section(boards[i], dataset, base) for _, _, i, dataset in keys],
        provenance=[
            (f.protocol.name, f"identity {f.protocol.identity()}; {len(f.records):,} records; {f.protocol.title}")
            for f in boards
        ],
        protocol_text="",
    )


def _section(board: Findings, dataset: str, base: Path) -> dict[str, Any]:
    root = quote(os.path.relpath(board.folder, base)) + "/"
    section = page.section(board, dataset, title=board.heading(dataset), root=root)
    kept = [table for table in section["tables"] if table.name in ("overall", "quality", "published")]
    return section | {"tables": kept, "figures": [], "report": f"{root}report.html"}
