"""One more model's records in a finished, shipped folder leave everything said of its other models alone."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from benchmark.findings import Findings
from benchmark.reports.plots.looks import look
from benchmark.reports.write import write_report

ROOT = Path(__file__).parents[1]
FOLDERS = [ROOT / "results/hotel", ROOT / "results/second_edition/frappe"]  # nine models; six with packed predictions
NEWCOMER = "gdcn"
RELATIVE = {"AUC ±", "LogLoss ±"}  # moderated over all models of a data set: one more changes what the others are told


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda path: path.name)
def reports(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Findings, Findings]:
    """Return the reports of a folder, and of one with MLP's records once more, under another name and better by 0.001."""
    place = tmp_path_factory.mktemp("adding")
    for name in ("before", "after"):
        shutil.copytree(request.param, place / name, ignore=shutil.ignore_patterns("tables", "figures", "report.html"))
    for path in (place / "after/records").glob("*/mlp.jsonl"):
        records = [json.loads(line) for line in path.read_text().splitlines()]
        for record in records:
            record |= {"model": NEWCOMER, "predictions": None}  # of a colleague who sent no predictions
            if record["test"]:
                record["test"]["auc"] += 0.001
        path.with_name(f"{NEWCOMER}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return write_report(place / "before"), write_report(place / "after")


def test_tables_of_the_other_models_are_as_before(reports: tuple[Findings, Findings]) -> None:
    before, after = reports
    (dataset,) = before.datasets
    rows = [
        list(csv.DictReader((made.folder / f"tables/{dataset}_quality.csv").read_text().splitlines()))
        for made in (before, after)
    ]
    others = [row for row in rows[1] if row["model"] != NEWCOMER]
    assert len(rows[1]) == len(others) + len({record.budget for record in after.records})
    named = [{(row["budget"], row["model"]): row for row in part} for part in (rows[0], others)]
    assert named[0].keys() == named[1].keys()
    for key, row in named[0].items():
        assert {column: row[column] for column in row.keys() - RELATIVE} == {
            column: named[1][key][column] for column in row.keys() - RELATIVE
        }


def test_row_noise_of_the_other_models_is_as_before(reports: tuple[Findings, Findings]) -> None:
    before, after = reports
    (dataset,) = before.datasets
    noise = [made.row_noise(dataset) for made in (before, after)]
    places = [noise[1].studies.index(study) for study in noise[0].studies]
    for metric, rows in noise[0].covariance.items():
        kept = tuple(tuple(noise[1].covariance[metric][i][j] for j in places) for i in places)
        assert kept == rows


def test_looks_of_the_other_models_are_as_before(reports: tuple[Findings, Findings]) -> None:
    before, after = reports
    (dataset,) = before.datasets
    looks = {name: look(name) for name in {record.model for record in after.records}}
    assert looks.pop(NEWCOMER) not in looks.values()
    for made in (before, after):
        figure = (made.folder / f"figures/{dataset}_seed_strips.svg").read_text()
        for name, own in looks.items():
            assert own["color"] in figure, name
