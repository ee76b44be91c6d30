"""Everything that is generated from a results folder's records: row noise, tables and figures of each data set, the page."""

from pathlib import Path

from benchmark import findings, formats, page, plots, records
from benchmark.findings import Findings, file_name
from benchmark.tables import tables_of


def write(folder: Path) -> Findings:
    """Write row_noise/, tables/, figures/ and report.html of the folder anew and return what they were made from."""
    found = findings.read(folder)
    found.keep_row_noise()
    written = []
    for dataset in found.datasets:
        written += write_tables(found, dataset)
        for name, figure in plots.figures_of(found, dataset).items():
            written += plots.save(figure, folder / "figures" / f"{file_name(dataset)}_{name}")
    remove_stale(found, written)
    records.write_text(folder / "report.html", page.render(found))
    return found


def write_tables(found: Findings, dataset: str) -> list[Path]:
    """Each table of a data set as Markdown, CSV and LaTeX; the files."""
    written = []
    for table in tables_of(found, dataset):
        for suffix, text in (
            ("md", formats.markdown(table)),
            ("csv", formats.csv_text(table)),
            ("tex", formats.latex(table)),
        ):
            written.append(found.folder / "tables" / f"{file_name(dataset)}_{table.name}.{suffix}")
            records.write_text(written[-1], text)
    return written


def remove_stale(found: Findings, written: list[Path]) -> None:
    """Remove the tables and figures of the data sets that an earlier report left and this one has not written."""
    prefixes = tuple(f"{file_name(dataset)}_" for dataset in found.datasets)
    for path in {*found.folder.glob("tables/*"), *found.folder.glob("figures/*")} - {*written}:
        if path.name.startswith(prefixes):
            path.unlink()
