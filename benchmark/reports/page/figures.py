"""The page's figures: SVG that follows the reader's colour scheme, packed so that the page stays small."""

import base64
import gzip
import re
from pathlib import Path

from benchmark.findings import file_name

PAPER, INK = 0x0D, 0xE6  # greys in dark mode: of what is white in a figure, and of what is black


def figures(folder: Path, dataset: str, name: str = "*") -> list[dict[str, str]]:
    """Return the data set's SVG figures of that name, as base64 of their gzip; the page's script unpacks them.

    Args:
        folder: with the figures.
        dataset: whose figures.
        name: of the figure, or a pattern.
    """
    prefix = f"{file_name(dataset)}_"
    return [
        {
            "name": path.stem.removeprefix(prefix).replace("_", " "),
            "packed": base64.b64encode(gzip.compress(both_schemes(path.read_text("utf-8")).encode(), mtime=0)).decode(),
        }
        for path in sorted(folder.glob(f"{prefix}{name}.svg"))
    ]


def both_schemes(svg: str) -> str:
    """Return a figure of matplotlib's with rules for dark mode: greys are turned round, the models' colours stay."""
    rules = [f"text{{fill:{_turned(0)}}}"]
    for grey in sorted({*re.findall(r"#(?:([0-9a-f]{2})\1\1)\b", svg)}):
        for part in ("fill", "stroke"):
            rules.append(f'[style*="{part}: #{3 * grey}"]{{{part}:{_turned(int(grey, 16))}!important}}')
    style = f"<style>@media (prefers-color-scheme: dark){{{''.join(rules)}}}</style>"
    return re.sub(r"(<svg\b[^>]*>)", lambda match: match[1] + style, svg, count=1)


def _turned(grey: int) -> str:
    """Return the grey that takes a grey's place in dark mode."""
    return "#" + 3 * f"{round(INK + (PAPER - INK) * grey / 0xFF):02x}"
