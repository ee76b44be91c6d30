"""Result blocks of a text, between `<!-- results: NAME -->` and `<!-- end results -->`, made from results folders."""

import os
import re
from pathlib import Path
from urllib.parse import quote

from benchmark import findings
from benchmark.errors import RecordError
from benchmark.findings import file_name
from benchmark.findings.verdict import verdict
from benchmark.records import files
from benchmark.reports import formats, tables

BLOCK = re.compile(r"(<!-- results: (?P<name>[A-Za-z0-9._-]+) -->\n).*?(<!-- end results -->)", re.DOTALL)


def rewritten(text: str, results: Path, base: Path) -> str:
    """The text with every block made anew from the results folder that it names; links are relative to the folder `base`.

    Raises RecordError where a folder is missing or a block does not end.
    """
    n_begun, n_whole = text.count("<!-- results: "), len(BLOCK.findall(text))
    if n_begun != n_whole:
        raise RecordError(f"{n_begun} result blocks begin and {n_whole} end; each ends with <!-- end results -->")
    return BLOCK.sub(lambda found: f"{found[1]}{block(results / found['name'], base)}{found[3]}", text)


def block(folder: Path, base: Path) -> str:
    """Verdict, figure and headline table of each data set of a results folder."""
    if not (folder / "protocol.toml").is_file():
        raise RecordError(f"no results in {folder}")
    found = findings.read(folder)
    parts = []
    for dataset in found.datasets:
        table = tables.headline(found, dataset)
        figure = folder / "figures" / f"{file_name(dataset)}_quality_against_compute.svg"
        parts.append(formats.escape_markdown(verdict(found, dataset).sentence))
        if figure.exists():
            alt = formats.escape_markdown(f"Quality against compute: {found.heading(dataset)}")
            parts.append(f"![{alt}]({quote(os.path.relpath(figure, base))})")
        parts.append(formats.markdown_body(table).rstrip())
    return "\n\n".join(["", *parts, "", ""]) if parts else "\nNo records yet.\n\n"


def rewrite(path: Path, results: Path) -> bool:
    """Rewrite the blocks of a file in place; returns whether anything changed."""
    before = path.read_text(encoding="utf-8")
    after = rewritten(before, results, path.parent)
    if after != before:
        files.write_text(path, after)
    return after != before
