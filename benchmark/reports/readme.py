"""Result blocks in a text, between `<!-- results: NAME -->` and `<!-- end results -->`, filled from results folders."""

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
    """Return the text with every block filled from the results folder that it names.

    Raises RecordError if a folder is missing or a block is not closed.

    Args:
        text: with result blocks.
        results: folder of the results folders.
        base: folder of the text, to which links are relative.
    """
    n_opened, n_closed = text.count("<!-- results: "), len(BLOCK.findall(text))
    if n_opened != n_closed:
        raise RecordError(
            f"{n_opened} result blocks are opened but {n_closed} closed; close each with <!-- end results -->"
        )
    return BLOCK.sub(lambda match: f"{match[1]}{block(results / match['name'], base)}{match[3]}", text)


def block(folder: Path, base: Path) -> str:
    """Return verdict, figure and headline table of each data set of a results folder; links are relative to `base`."""
    if not (folder / "protocol.toml").is_file():
        raise RecordError(f"no results in {folder}")
    contents = findings.read(folder)
    parts = []
    for dataset in contents.datasets:
        table = tables.headline(contents, dataset)
        figure = folder / "figures" / f"{file_name(dataset)}_quality_against_compute.svg"
        parts.append(formats.escape_markdown(verdict(contents, dataset).sentence))
        if figure.exists():
            alt = formats.escape_markdown(f"Quality against compute: {contents.heading(dataset)}")
            parts.append(f"![{alt}]({quote(os.path.relpath(figure, base))})")
        parts.append(formats.markdown_body(table).rstrip())
    return "\n\n".join(["", *parts, "", ""]) if parts else "\nNo records yet.\n\n"


def rewrite(path: Path, results: Path) -> bool:
    """Rewrite the blocks of a file in place and return whether anything changed."""
    before = path.read_text(encoding="utf-8")
    after = rewritten(before, results, path.parent)
    if after != before:
        files.write_text(path, after)
    return after != before
