"""The committed reports under results/ are byte for byte what the command generates from the committed records."""

import csv
import re
import shutil
from pathlib import Path

import pytest

from benchmark import protocol as protocols
from benchmark.published.tables import FOLDER as PUBLISHED
from benchmark.records import store
from benchmark.reports import readme
from benchmark.reports.write import write_report
from benchmark.study import Study

ROOT = Path(__file__).parents[1]
FOLDERS = sorted(path.parent for path in ROOT.glob("results/*/protocol.toml"))
TEXTS = [path for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))) if "<!-- results: " in path.read_text()]


@pytest.fixture(params=FOLDERS, ids=lambda path: path.name)
def committed(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.mark.slow
def test_the_report_matches_the_records(committed: Path, tmp_path: Path) -> None:
    made = tmp_path / committed.name
    shutil.copytree(committed, made, ignore=shutil.ignore_patterns("tables", "figures", "report.html", "predictions"))
    write_report(made)
    for part in ("tables", "figures"):
        names = [sorted(path.name for path in (folder / part).iterdir()) for folder in (made, committed)]
        assert names[0] == names[1]
    generated = [*made.glob("tables/*"), *made.glob("figures/*"), made / "report.html"]
    differing = [
        str(path.relative_to(made))
        for path in generated
        if path.read_bytes() != (committed / path.relative_to(made)).read_bytes()
    ]
    assert differing == []


def test_every_study_is_complete_equally_tuned_and_on_budget(committed: Path) -> None:
    protocol = protocols.load(str(committed / "protocol.toml"))
    records = store.read(committed)
    assert records and protocol.overrides == ()
    for record in records:
        # the doubling check of a folder of the first edition ran with the code of the second
        assert record.dirty is False and (record.accepted == () or record.kind == "doubled") and record.exact
        if record.training_flops:
            assert abs(record.training_flops / (record.budget * 1e6) - 1) <= 0.02, (record.model, record.budget)
    for dataset in protocol.datasets:
        for model in protocol.models:
            for budget in protocol.budgets:
                study = Study(protocol, dataset, model, budget, committed, "")
                done = [(r.kind, r.status) for r in study.records()]
                assert done.count(("trial", "complete")) == protocol.search.trials, study.name
                assert done.count(("final", "complete")) == len(protocol.final.seeds), study.name
                assert study.runs_left() == 0


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.name)
def test_the_result_blocks_of_a_text_match_the_records(text: Path) -> None:
    content = text.read_text()
    assert readme.rewritten(content, ROOT / "results", text.parent) == content


def test_committed_results_contain_no_home_or_temporary_path() -> None:
    for path in ROOT.glob("results/**/*"):
        if path.suffix in (".jsonl", ".json", ".toml", ".md", ".csv", ".tex"):
            assert not re.search(r"/(home|root|tmp|Users)/", path.read_text()), path


def test_the_papers_table_in_the_text_matches_the_published_facts() -> None:
    paper, bars = (
        {(fact["dataset"], fact["model"]): fact for fact in csv.DictReader((PUBLISHED / f"{name}.csv").open())}
        for name in ("wukong_paper_public", "bars_leaderboard")
    )
    lines = (ROOT / "docs/results.md").read_text().splitlines()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if re.match(r"\| \w+(\.\w+)?_x1 \|", line)
    ]
    assert len(rows) == len({key for key in bars if key in paper})
    for title, model, *cells in rows:
        key, wukong = (title.lower(), model), paper[title.lower(), "Wukong"]
        ours = [float(cell.replace(",", "")) for cell in cells]
        theirs = [paper[key]["auc"], bars[key]["auc"], wukong["auc"], paper[key]["params_total"]]
        theirs += [bars[key]["params_total"], paper[key]["mflop_per_example_training"]]
        assert ours == [round(float(value), 4) for value in (*theirs, wukong["mflop_per_example_training"])], key


def test_the_readmes_gains_from_twice_the_epochs_are_those_of_the_records() -> None:
    rows = csv.DictReader((ROOT / "results/frappe/tables/frappe_convergence.csv").open())
    gains = {row["model"]: row for row in rows}
    text = " ".join((ROOT / "README.md").read_text().split())
    helped = [model for model, row in gains.items() if row["check"] != "passed"]
    assert (len(helped), len(gains)) == (8, 9) and "eight of its nine winners" in text
    assert max(gains, key=lambda model: float(gains[model]["gain"])) == "RankMixer"
    for model, words in (("RankMixer", "by {}, standard error {}"), ("Wukong", "not ({}, {})")):
        shown = [f"{float(gains[model][column]):.4f}" for column in ("gain", "error")]
        assert f"{model}'s" in text and words.format(*shown) in text
