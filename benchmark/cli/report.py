"""Commands that read results folders and train nothing: report, leaderboard, compare, export, submit-check."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from benchmark.cli.options import Results, ResultsName
from benchmark.errors import ProtocolError, nearest
from benchmark.output import Screen

if TYPE_CHECKING:
    from benchmark.findings import Findings

app = typer.Typer()


@app.command()
def report(
    name: ResultsName,
    results: Results = Path("results"),
    pdf: Annotated[bool, typer.Option("--pdf", help="Write figures as PDF, too.")] = False,
    readme: Annotated[
        Path | None, typer.Option("--readme", metavar="FILE", help="Also rewrite the result blocks of this file.")
    ] = None,
) -> None:
    """Rebuild tables, figures and the HTML page from records."""
    from benchmark.reports.write import collect_less, write_report

    collect_less()
    folder, console = folder_of(name, results), Screen()
    with console.status("drawing tables and figures ..."):
        findings = write_report(folder, pdf=pdf)
    show(findings, console)
    if readme is not None:
        from benchmark.reports import readme as blocks

        changed = blocks.rewrite(readme, results)
        console.print(f"{readme}: {'rewritten' if changed else 'up to date'}")


@app.command()
def leaderboard(
    metric: Annotated[str, typer.Option(metavar="METRIC", help="Metric to rank by: auc or logloss.")] = "auc",
    results: Results = Path("results"),
) -> None:
    """Rank models over all results folders on one static page.

    The page is leaderboard/index.html in the folder given by --results. Folders that cannot be read are named and left out.
    """
    from benchmark.findings.runs import METRICS
    from benchmark.reports import leaderboard

    by = next((name for name in METRICS if name == metric), None)
    if by is None:
        raise ProtocolError(f"no metric {metric!r}; {nearest(metric, list(METRICS))}")
    written, console = leaderboard.write(results, by), Screen()
    console.print(f"leaderboard in {written.path}, over {len(written.shown)} folders", soft_wrap=True)
    for folder, reason in written.left_out.items():
        console.print(f"left out {folder}: {reason}", soft_wrap=True)


@app.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="Protocol with results, or path of a results folder.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other one.")],
    results: Results = Path("results"),
) -> None:
    """Show what differs between two results folders.

    Compares protocol, data, versions, hardware and numbers. Counts the pairs of models that change places, and the intervals
    that hold the other folder's mean.
    """
    from benchmark import findings
    from benchmark.reports import compare, formats

    console = Screen()
    comparison = compare.compare(*(findings.read(folder_of(name, results)) for name in (a, b)))
    for table in (comparison.differences, *comparison.numbers, *comparison.replication):
        if table.rows:
            console.print(formats.terminal(table, console.width))
    for note in comparison.notes:
        console.print(note)


@app.command()
def export(
    name: ResultsName,
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="bars, hugging-face, parquet or optuna.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Output folder.", show_default="export/FORMAT in the results"),
    ] = None,
    results: Results = Path("results"),
) -> None:
    """Export results for BARS, Hugging Face or Optuna, or as parquet.

    Writes BARS leaderboard rows, a Hugging Face model index, parquet frames or a SQLite storage with every search.
    """
    from benchmark import findings
    from benchmark.reports import export

    if form not in export.FORMATS:
        raise ProtocolError(f"no format {form!r}; {nearest(form, list(export.FORMATS))}")
    folder = folder_of(name, results)
    for path in export.write(findings.read(folder), form, out or folder / "export" / form):
        Screen().print(str(path), soft_wrap=True)


@app.command("submit-check")
def submit_check(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="Results folder, archive of one (.zip, .tar, .tar.gz), or its records/<data set>/<model>.jsonl.",
        ),
    ],
) -> None:
    """Check that submitted results are consistent.

    Checks schema, budgets, seeds, metrics, facts and predictions, and notes accepted changes, uncommitted code and mixed
    hardware. Runs no code of the sender. Exits with 1 if anything is wrong.
    """
    from benchmark.checks import sent_folder

    checked, console = sent_folder.check(path), Screen()
    for kind, lines in (("problem", checked.problems), ("note", checked.notes)):
        for line in lines:
            console.print(f"{kind}: {line}", soft_wrap=True)
    if checked.problems:
        raise typer.Exit(1)
    size = f"{checked.n_records:,} records in {checked.n_files} file{'s' if checked.n_files > 1 else ''}"
    console.print(f"{path}: {size}, consistent with its protocol; unverified until rerun", soft_wrap=True)


def show(findings: "Findings", console: Console) -> None:
    """Print the tables of quality, at each budget and in the mean, and the verdicts of a results folder."""
    from benchmark.findings.frontier import sentence
    from benchmark.findings.verdict import verdict
    from benchmark.reports import formats, tables

    for result in findings.frontiers:
        for table in tables.frontier_tables(result, findings.heading_of_law(result.law))[:2]:
            console.print(formats.terminal(table, console.width))
        console.print(sentence(result, findings.title_of_law(result.law)))
    for dataset in findings.datasets:
        for table in (tables.quality(findings, dataset), tables.overall(findings, dataset)):
            if table.rows:
                console.print(formats.terminal(table, console.width))
        console.print(verdict(findings, dataset).sentence)
    folder = findings.folder
    if not findings.datasets:
        console.print(f"no records in {folder} yet; create them with `wukong-bench run`")
    console.print(f"report written to {folder / 'report.html'}, tables and figures beside it")


def folder_of(name: str, results: Path) -> Path:
    """Return the results folder of a protocol, given its name or the folder's path. Raises ProtocolError."""
    folder = Path(name) if "/" in name else results / name
    if not (folder / "protocol.toml").is_file():
        names = sorted(path.parent.name for path in results.glob("*/protocol.toml"))
        raise ProtocolError(f"no results in {folder}; {nearest(name, names)}")
    return folder
