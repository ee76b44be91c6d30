"""The report of a results folder: row noise, tables and figures of each data set, and the HTML page."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from benchmark import findings as readings
from benchmark.errors import RecordError
from benchmark.findings import Findings, file_name
from benchmark.records import files
from benchmark.reports import formats
from benchmark.reports.table import Table
from benchmark.reports.tables import frontier_tables, tables_of

ROOT = Path(__file__).parents[2]
STATE = ".report.json"  # digests of the last report's inputs and of the files it wrote
DRAWN_BY = ("benchmark/**/*", "models/*.py", "models/*.toml")
PACKAGES = ("matplotlib", "seaborn", "polars", "numpy", "scipy", "jinja2")


def write_report(folder: Path, *, if_changed: bool = False) -> Findings:
    """Write row_noise/, tables/, figures/ and report.html of a results folder and return its findings.

    Args:
        folder: the results folder.
        if_changed: skip writing if neither the inputs nor the files of the report have changed since it was written.
    """
    findings = readings.read(folder)
    if if_changed and _state(folder) == _kept_state(folder):
        return findings
    from benchmark.reports import page, plots  # import matplotlib, which takes a second

    findings.keep_row_noise()
    written = []
    for dataset in findings.datasets:
        written += write_tables(folder, dataset, tables_of(findings, dataset))
        for name, figure in plots.figures_of(findings, dataset).items():
            written += plots.save(figure, folder / "figures" / f"{file_name(dataset)}_{name}")
    for result in findings.frontiers:
        subject = findings.heading_of_law(result.law)
        written += write_tables(folder, result.law, frontier_tables(result, subject))
        if curves := plots.frontier_of(result, subject):
            written += plots.save(curves, folder / "figures" / f"{file_name(result.law)}_frontier")
    remove_stale(findings, written)
    files.write_text(folder / "report.html", page.render(findings))
    files.write_json(folder / STATE, _state(folder))
    return findings


def write_tables(folder: Path, dataset: str, tables: list[Table]) -> list[Path]:
    """Write each table of a data set as Markdown, CSV and LaTeX into a results folder and return the files.

    Args:
        folder: the results folder.
        dataset: named in the files' names.
        tables: of the data set.
    """
    written = []
    for table in tables:
        for suffix, text in (
            ("md", formats.markdown(table)),
            ("csv", formats.csv_text(table)),
            ("tex", formats.latex(table)),
        ):
            written.append(folder / "tables" / f"{file_name(dataset)}_{table.name}.{suffix}")
            files.write_text(written[-1], text)
    return written


def remove_stale(findings: Findings, written: list[Path]) -> None:
    """Remove tables and figures of an earlier report that this one did not write."""
    prefixes = tuple(f"{file_name(dataset)}_" for dataset in {*findings.datasets, *findings.protocol.datasets})
    for path in {*findings.folder.glob("tables/*"), *findings.folder.glob("figures/*")} - {*written}:
        if path.name.startswith(prefixes):
            path.unlink()


def _state(folder: Path) -> dict[str, str]:
    """Return digests of the records and facts, of the report's code, and of the report's files."""
    inputs = ("protocol.toml", "datasets/*.json", "records/*/*.jsonl", "row_noise/*.json", "throughput/*.json")
    predictions = [
        f"{path.relative_to(folder)} {path.stat().st_size}" for path in sorted(folder.glob("predictions/**/*.npz"))
    ]
    return {
        "records": _digest(folder, inputs, predictions),
        "code": _digest(ROOT, DRAWN_BY, [version(name) for name in PACKAGES]),
        "files": _digest(folder, ("tables/*", "figures/*", "report.html")),
    }


def _kept_state(folder: Path) -> object:
    path = folder / STATE
    try:
        return files.read_json(path) if path.exists() else None
    except RecordError:  # damaged: the report is written again
        return None


def _digest(folder: Path, globs: tuple[str, ...], further: list[str] | None = None) -> str:
    paths = sorted(
        path for pattern in globs for path in folder.glob(pattern) if path.is_file() and path.suffix != ".pyc"
    )
    content = [[str(path.relative_to(folder)), hashlib.sha256(path.read_bytes()).hexdigest()] for path in paths]
    return hashlib.sha256(json.dumps([content, further]).encode()).hexdigest()
