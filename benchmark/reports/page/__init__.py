"""The HTML report: one self-contained file that works offline and makes no requests."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from matplotlib.markers import MarkerStyle

from benchmark.findings import Findings, file_name
from benchmark.findings.frontier import Frontier, sentence
from benchmark.findings.runs import METRICS
from benchmark.findings.verdict import verdict
from benchmark.findings.warnings import warnings
from benchmark.output import printable
from benchmark.reports.cells import measured_on
from benchmark.reports.formats import csv_text, rounded
from benchmark.reports.page.figures import figures
from benchmark.reports.page.provenance import provenance
from benchmark.reports.plots.style import drawn, label
from benchmark.reports.table import Table
from benchmark.reports.tables import frontier_tables, tables_of

HERE = Path(__file__).parent


def render(findings: Findings) -> str:
    """Return the report of a results folder as HTML, with the SVG figures that are in its figures/."""
    protocol = findings.protocol
    return page(
        heading=f"Protocol {protocol.name}",
        subtitle=protocol.title,
        sections=[
            *(frontier_section(findings, result) for result in findings.frontiers),
            *(section(findings, dataset) for dataset in findings.datasets),
        ],
        provenance=provenance(findings),
        protocol_text=protocol.toml(),
    )


def page(
    heading: str, subtitle: str, sections: list[dict[str, Any]], provenance: list[tuple[str, str]], protocol_text: str
) -> str:
    """Return a page with these sections as HTML.

    The template escapes names, and `embedded` escapes the data. The content security policy admits, by their hashes, only
    this package's style and script.

    Args:
        heading: of the page.
        subtitle: below the heading; may be empty.
        sections: as returned by `section`.
        provenance: rows of (item, value).
        protocol_text: the protocol as TOML; may be empty.
    """
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    return template(HERE / "report.html.jinja").render(
        heading=printable(heading),
        subtitle=printable(subtitle),
        sections=sections,
        provenance=provenance,
        protocol_text=protocol_text,
        data=embedded([section["data"] for section in sections]),
        style=Markup(style),  # noqa: S704 (our own file)
        script=Markup(script),  # noqa: S704 (our own file)
        style_hash=source_hash(style),
        script_hash=source_hash(script),
    )


def template(path: Path) -> Template:
    """Return a page's template, which escapes what is put into it."""
    environment = Environment(
        loader=FileSystemLoader(path.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["printable"] = printable
    environment.filters["rounded"] = rounded
    return environment.get_template(path.name)


def section(findings: Findings, dataset: str) -> dict[str, Any]:
    """Return the template's values for one data set."""
    tables = tables_of(findings, dataset)
    return {
        "id": f"{file_name(findings.protocol.name)}-{file_name(dataset)}",
        "monitor": findings.protocol.training.monitor,  # metric that the plot shows first
        "file": file_name(dataset),
        "title": printable(findings.title(dataset)),
        "verdict": printable(verdict(findings, dataset).sentence),
        "throughput": printable(measured_on(findings, dataset)),
        "timed": findings.measured_on(dataset) is not None,
        "warnings": [printable(warning) for warning in warnings(findings, dataset)],
        "tables": tables,
        "links": [
            quote(f"records/{file_name(dataset)}/{file_name(model)}.jsonl") for model in findings.rows(dataset)["model"]
        ],
        "figures": figures(findings.folder / "figures", dataset),
        "data": _data(findings, dataset, tables),
    }


def frontier_section(findings: Findings, result: Frontier) -> dict[str, Any]:
    """Return the template's values for a compute-optimal frontier; it has no plot of its own to explore."""
    tables = frontier_tables(result, findings.heading_of_law(result.law))
    failed = [label(check.model) for check in result.checks if not check.passed]
    return {
        "id": f"{file_name(findings.protocol.name)}-{file_name(result.law)}-frontier",
        "monitor": findings.protocol.training.monitor,
        "file": file_name(result.law),
        "title": printable(f"{findings.title_of_law(result.law)}: compute-optimal frontier"),
        "throughput": "",
        "timed": False,
        "verdict": printable(sentence(result, findings.title_of_law(result.law))),
        "warnings": [f"The frontier of {name} fails its check" for name in failed],
        "tables": tables,
        "links": [],
        "figures": figures(findings.folder / "figures", result.law, "frontier"),
        "data": {"points": [], "looks": {}, "bounds": {}, "csv": {table.name: csv_text(table) for table in tables}},
    }


def _data(findings: Findings, dataset: str, tables: list[Table]) -> dict[str, Any]:
    """Return the script's data: points, looks, bounds, and each table as CSV."""
    rows = findings.rows(dataset).drop_nulls("logloss")
    points = [
        {
            "model": row["model"],
            "title": label(row["model"]),
            "budget": row["budget"],
            "flops": row["training_flops"],
            **{name: row[name] for name in ("run_compute", "search_compute")},
            "seconds": 1 / row["examples_per_second"] if row["examples_per_second"] else None,
            "parameters": row["dense_parameters"],
            **{metric: row[metric] for metric in METRICS},
            **{f"{metric}_half": row[f"{metric}_interval"] for metric in METRICS},
            **{f"{metric}_covers": row[f"{metric}_covers"] for metric in METRICS},
            **{f"{metric}_letters": row[f"{metric}_letters"] for metric in METRICS},
            **{name: row[name] for name in ("blocks", "finals", "trials", "failed", "collapsed")},
            "config": printable(row["config"] or ""),
        }
        for row in rows.iter_rows(named=True)
    ]
    looks = {model: {"title": label(model), **_mark(model)} for model in rows["model"].unique().sort()}
    bounds = {printable(name): bound.model_dump() for name, bound in findings.of(dataset).bounds.items()}
    return {
        "points": points,
        "looks": looks,
        "bounds": bounds,
        "csv": {table.name: csv_text(table) for table in tables},
    }


def _mark(model: str) -> dict[str, Any]:
    """Return the model's colour, its marker in figures as an SVG path about 1 wide, and factors on marker and line."""
    style = drawn(model, 1.0, 1.0)
    marker = MarkerStyle(style["marker"])
    path = marker.get_path().transformed(marker.get_transform())
    letters = {1: "M", 2: "L", 3: "Q", 4: "C", 79: "Z"}  # matplotlib's path codes -> SVG's
    parts = []
    for vertices, code in path.iter_segments(simplify=False):
        flipped = vertices * np.resize([1, -1], len(vertices))  # y grows downwards in SVG
        parts.append(letters[int(code)] + " ".join([] if code == 79 else [f"{value:.3f}" for value in flipped]))
    size, width = style["markersize"], style["linewidth"]
    return {"color": style["color"], "path": "".join(parts), "size": size, "width": width}


def embedded(value: object) -> Markup:
    """Return JSON that is safe inside a script element: it cannot open or close a tag or comment. Numbers are rounded."""
    exact = json.dumps(value, allow_nan=False)
    text = json.dumps(json.loads(exact, parse_float=lambda digits: rounded(float(digits))), ensure_ascii=True)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 (escaped above)


def source_hash(content: str) -> str:
    """Return the source expression by which a content security policy admits exactly this inline content."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
