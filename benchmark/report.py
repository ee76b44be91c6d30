"""Everything that is generated from a results folder's records: row noise, tables and figures of each data set, the page."""

from pathlib import Path

from benchmark import findings, formats, page, plots, records
from benchmark.findings import Findings, file_name
from benchmark.tables import tables_of


def write(folder: Path) -> Findings:
    """Write row_noise/, tables/, figures/ and report.html of the folder anew and return what they were made from."""
    found = findings.read(folder)
    found.keep_row_noise()
    for dataset in found.datasets:
        write_tables(found, dataset)
        for name, figure in plots.figures_of(found, dataset).items():
            plots.save(figure, folder / "figures" / f"{file_name(dataset)}_{name}")
    records.write_text(folder / "report.html", page.render(found))
    return found


def write_tables(found: Findings, dataset: str) -> None:
    """Each table of a data set as Markdown, CSV and LaTeX."""
    for table in tables_of(found, dataset):
        stem = found.folder / "tables" / f"{file_name(dataset)}_{table.name}"
        records.write_text(stem.with_name(f"{stem.name}.md"), formats.markdown(table))
        records.write_text(stem.with_name(f"{stem.name}.csv"), formats.csv_text(table))
        records.write_text(stem.with_name(f"{stem.name}.tex"), formats.latex(table))
