"""A static page over all results folders: what each says of each data set, never two of them in one table."""

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
    """Write leaderboard/index.html from the records of every folder of results; returns its path.

    Raises RecordError if there is none, or where a folder's records do not belong together.
    """
    folders = sorted(path.parent for path in results.glob("*/protocol.toml"))
    found = [read for read in map(findings.read, folders) if read.records]
    if not found:
        raise RecordError(f"no folder in {results} holds records; `wukong-bench run` makes them")
    path = results / "leaderboard" / "index.html"
    files.write_text(path, render(found, path.parent))
    return path


def render(found: list[Findings], base: Path) -> str:
    """The page for these results folders, its links relative to the folder `base`; a section for each data set of each."""
    keys = sorted(
        ((f.title(dataset), f.protocol.name, i, dataset) for i, f in enumerate(found) for dataset in f.datasets)
    )
    return page.page(
        heading="Leaderboard",
        subtitle="Every data set under every protocol; numbers of different protocols or data are not comparable.",
        sections=[_section(found[i], dataset, base) for _, _, i, dataset in keys],
        provenance=[
            (f.protocol.name, f"identity {f.protocol.identity()}; {len(f.records):,} records; {f.protocol.title}")
            for f in found
        ],
        protocol_text="",
    )


def _section(found: Findings, dataset: str, base: Path) -> dict[str, Any]:
    root = quote(os.path.relpath(found.folder, base)) + "/"
    section = page.section(found, dataset, title=found.heading(dataset), root=root)
    kept = [table for table in section["tables"] if table.name in ("quality", "published")]
    return section | {"tables": kept, "figures": [], "report": f"{root}report.html"}
