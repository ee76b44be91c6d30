"""Everything that is generated from a results folder's records: tables and figures, one of each for a data set."""

from pathlib import Path

import polars as pl

from benchmark import plots, records, tables
from benchmark.protocol import load


def write(results: Path) -> pl.DataFrame:
    """Write tables/ and figures/ of the folder anew and return the summary. Raises RecordError if there are no records."""
    found = records.read(results)
    if not found:
        raise records.RecordError(f"{results} holds no records; `wukong-bench run` makes them")
    frame = tables.summary(found)
    protocol = load(str(results / "protocol.toml"))
    for dataset in frame["dataset"].unique(maintain_order=True):
        rows = frame.filter(pl.col("dataset") == dataset)
        facts = records.read_json(results / "datasets" / f"{dataset}.json")
        title = f"{facts['title']}, protocol {protocol.name}"
        records.write_text(results / "tables" / f"{dataset}.md", f"# {title}\n\n{tables.markdown(rows)}")
        records.write_text(results / "tables" / f"{dataset}.csv", rows.write_csv())
        figure = plots.quality_against_compute(rows, title, facts.get("bounds"))
        plots.save(figure, results / "figures" / f"{dataset}_quality_against_compute")
    return frame
