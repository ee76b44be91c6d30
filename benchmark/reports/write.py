"""The report of a results folder: row noise, tables and figures of each data set, and the HTML page."""

import hashlib
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

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


def write_report(folder: Path, *, pdf: bool = False) -> Findings:
    """Write row_noise/, tables/, figures/ and report.html of a results folder and return its findings.

    Nothing is written if neither the inputs nor the files of the report have changed since; the figures of a data set are
    drawn again only if its own inputs or files have.

    Args:
        folder: the results folder.
        pdf: write figures as PDF, too, which takes about as long as PNG and SVG together.
    """
    findings = readings.read(folder)
    kept = _kept_state(folder)
    if _state(findings, pdf=pdf) == kept:
        return findings
    findings.keep_row_noise()
    state = _state(findings, pdf=pdf)
    written = []
    for dataset in findings.datasets:
        written += write_tables(folder, dataset, tables_of(findings, dataset))
    for result in findings.frontiers:
        subject = findings.heading_of_law(result.law)
        written += write_tables(folder, result.law, frontier_tables(result, subject))
    laws = [result.law for result in findings.frontiers]
    drawn = _drawn_before(folder, kept, state, [*findings.datasets, *laws])
    stale = [name for name in (*findings.datasets, *laws) if name not in drawn]
    written += [path for paths in drawn.values() for path in paths]
    written += _draw(findings, stale, pdf=pdf)
    remove_stale(findings, written)
    from benchmark.reports import page  # imports matplotlib, which takes a second

    files.write_text(folder / "report.html", page.render(findings))
    files.write_json(folder / STATE, _state(findings, pdf=pdf))
    return findings


def _draw(findings: Findings, names: list[str], *, pdf: bool) -> list[Path]:
    """Draw the figures of data sets or laws, several of them in as many processes as there are cores; return the files."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if min(len(names), cores) < 2:
        return [path for name in names for path in draw(findings, name, pdf=pdf)]
    with ProcessPoolExecutor(min(len(names), cores), multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(_draw_of_folder, findings.folder, name, pdf=pdf) for name in names]
        return [path for future in waiting for path in future.result()]


def _draw_of_folder(folder: Path, name: str, *, pdf: bool) -> list[Path]:
    return draw(readings.read(folder), name, pdf=pdf)


def draw(findings: Findings, name: str, *, pdf: bool = False) -> list[Path]:
    """Draw the figures of a data set, or that of a law's frontier, and return their files.

    Args:
        findings: of a results folder.
        name: of the data set or law.
        pdf: write them as PDF, too.
    """
    from benchmark.reports import plots  # imports matplotlib, which takes a second

    figures = plots.figures_of(findings, name) if name in findings.datasets else {}
    for result in findings.frontiers:
        if result.law == name and (curves := plots.frontier_of(result, findings.heading_of_law(name))):
            figures["frontier"] = curves
    stem = findings.folder / "figures" / file_name(name)
    return [
        path
        for kind, figure in figures.items()
        for path in plots.save(figure, stem.with_name(f"{stem.name}_{kind}"), pdf=pdf)
    ]


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


def _state(findings: Findings, *, pdf: bool) -> dict[str, Any]:
    """Return digests of what each data set's report is made from, of the report's code, and of the report's files."""
    folder = findings.folder
    shared = _digests(folder, "protocol.toml", "models/*.json")
    inputs = {}
    for dataset in findings.datasets:
        name = file_name(dataset)
        own = _digests(
            folder,
            *(f"{part}/{name}.json" for part in ("datasets", "row_noise", "throughput")),
            f"records/{name}/*.jsonl",
        )
        sizes = {
            str(path.relative_to(folder)): path.stat().st_size for path in folder.glob(f"*predictions/{name}/**/*.npz")
        }
        inputs[dataset] = _digest([shared, own, sorted(sizes.items())])
    return {
        "inputs": inputs,
        "code": _digest([_digests(ROOT, *DRAWN_BY), [version(name) for name in PACKAGES], pdf]),
        "files": _digests(folder, "tables/*", "figures/*", "report.html"),
    }


def _kept_state(folder: Path) -> dict[str, Any]:
    path = folder / STATE
    try:
        return files.read_json(path, "inputs", "code", "files") if path.exists() else {}
    except RecordError:  # damaged: the report is written again
        return {}


def _drawn_before(folder: Path, kept: dict[str, Any], now: dict[str, Any], names: list[str]) -> dict[str, list[Path]]:
    """Return the figures of the data sets or laws of which neither inputs nor files have changed, by name.

    Args:
        folder: of the results.
        kept: state after the last report.
        now: state before this one.
        names: of data sets and laws.
    """
    if not kept or kept["code"] != now["code"]:
        return {}
    drawn = {}
    for name in names:
        own, before = now["inputs"].get(name), kept["inputs"].get(name)
        same = (
            own == before if own is not None else kept["inputs"] == now["inputs"]
        )  # a law's frontier is of all its sets
        prefix = f"figures/{file_name(name)}_"
        paths, paths_before = (
            {path: digest for path, digest in state["files"].items() if path.startswith(prefix)}
            for state in (now, kept)
        )
        if same and paths == paths_before:
            drawn[name] = [folder / path for path in paths]
    return drawn


def _digests(folder: Path, *globs: str) -> dict[str, str]:
    """Return the digest of each file that matches, by its path within the folder."""
    paths = sorted(
        path for pattern in globs for path in folder.glob(pattern) if path.is_file() and path.suffix != ".pyc"
    )
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
