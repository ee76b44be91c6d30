"""The report of a results folder: row noise, tables and figures of each data set, and the HTML page."""

import gc
import hashlib
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from functools import cache
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
    code, kept = _code(pdf=pdf), _kept_state(folder)
    if kept and kept["code"] == code and kept["inputs"] == _inputs(findings) and kept["files"] == _files(folder):
        return findings
    findings.keep_row_noise()
    inputs = _inputs(findings)
    written = []
    for dataset in findings.datasets:
        written += write_tables(folder, dataset, tables_of(findings, dataset))
    for result in findings.frontiers:
        subject = findings.heading_of_law(result.law)
        written += write_tables(folder, result.law, frontier_tables(result, subject))
    names = [*findings.datasets, *(result.law for result in findings.frontiers)]
    drawn = _drawn_before(folder, kept, inputs, names) if kept and kept["code"] == code else {}
    drawn |= _draw(findings, [name for name in names if name not in drawn], pdf=pdf)
    remove_stale(findings, [*written, *(path for paths in drawn.values() for path in paths)])
    from benchmark.reports import page  # imports matplotlib, which takes a second

    files.write_text(folder / "report.html", page.render(findings))
    figures = {name: [str(path.relative_to(folder)) for path in paths] for name, paths in drawn.items()}
    state = {"code": code, "inputs": inputs, "figures": figures, "files": _files(folder)}
    files.write_json(folder / STATE, state)
    return findings


def collect_less() -> None:
    """Look for garbage cycles less often in this process: among a figure's many small objects that takes 8 % of a report."""
    gc.set_threshold(50_000, 20, 20)


def _draw(findings: Findings, names: list[str], *, pdf: bool) -> dict[str, list[Path]]:
    """Draw the figures of data sets or laws, several of them in as many processes as there are cores; return the files."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if min(len(names), cores) < 2:
        return {name: draw(findings, name, pdf=pdf) for name in names}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(len(names), cores), spawn, initializer=collect_less) as pool:
        waiting = {name: pool.submit(_draw_of_folder, findings.folder, name, pdf=pdf) for name in names}
        return {name: future.result() for name, future in waiting.items()}


def _draw_of_folder(folder: Path, name: str, *, pdf: bool) -> list[Path]:
    return draw(_read_once(folder), name, pdf=pdf)


@cache
def _read_once(folder: Path) -> Findings:
    """Read a folder once for all data sets that a process draws."""
    return readings.read(folder)


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


def _inputs(findings: Findings) -> dict[str, str]:
    """Return the digest of what each data set's report is made from."""
    folder = findings.folder
    shared = _digests(folder, "protocol.toml", "models/*.json")
    inputs = {}
    for dataset in findings.datasets:
        name = file_name(dataset)
        facts = (f"{part}/{name}.json" for part in ("datasets", "row_noise", "throughput"))
        own = _digests(folder, *facts, f"records/{name}/*.jsonl")
        sizes = {
            str(path.relative_to(folder)): path.stat().st_size for path in folder.glob(f"*predictions/{name}/**/*.npz")
        }
        inputs[dataset] = _digest([shared, own, sorted(sizes.items())])
    return inputs


def _code(*, pdf: bool) -> str:
    """Return the digest of the code that makes reports, and of whether it writes PDF."""
    return _digest([_digests(ROOT, *DRAWN_BY), [version(name) for name in PACKAGES], pdf])


def _files(folder: Path) -> dict[str, str]:
    """Return the digest of each file of a report."""
    return _digests(folder, "tables/*", "figures/*", "report.html")


def _kept_state(folder: Path) -> dict[str, Any]:
    path = folder / STATE
    try:
        return files.read_json(path, "code", "inputs", "figures", "files") if path.exists() else {}
    except RecordError:  # damaged: the report is written again
        return {}


def _drawn_before(
    folder: Path, kept: dict[str, Any], inputs: dict[str, str], names: list[str]
) -> dict[str, list[Path]]:
    """Return the figures of the data sets or laws of which neither inputs nor files have changed, by name.

    Args:
        folder: of the results.
        kept: state after the last report.
        inputs: of this one.
        names: of data sets and laws.
    """
    now, drawn = _files(folder), {}
    for name in names:
        own = inputs.get(name)  # none of a law: its frontier is of all its sets
        same = kept["inputs"].get(name) == own if own is not None else kept["inputs"] == inputs
        paths = kept["figures"].get(name)
        if same and paths is not None and all(path in now and now[path] == kept["files"].get(path) for path in paths):
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
