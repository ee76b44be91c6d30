import json
import re
from pathlib import Path

import polars as pl
import pytest
from made_records import folder, make, protocol, with_check, with_predictions
from typer.testing import CliRunner

from benchmark import findings
from benchmark.checks import submission
from benchmark.cli.main import app
from benchmark.errors import RecordError
from benchmark.reports import compare, export, readme


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def compared(tmp_path, left, right, **changes):
    paths = [folder(tmp_path / "a", left), folder(tmp_path / "b", right, protocol(**changes))]
    return compare.compare(*map(findings.read, paths))


def test_equal_folders_compare_as_equal(tmp_path):
    comparison = compared(tmp_path, make(), make())
    assert not comparison.differences.rows
    assert comparison.notes == [
        "Protocol, data, versions and hardware are identical.",
        "180 of 180 shared records are identical apart from timing, machine and source.",
    ]


def test_compare_names_what_differs_in_protocol_data_versions_hardware_and_numbers(tmp_path):
    other = make(
        ("mlp", "wukong"), data_fingerprint="beef", device="gpu", versions={"python": "4"}, protocol_id="x", noise=1e-3
    )
    comparison = compared(tmp_path, make(), other, embedding_dim=16, training={"batch_size": 512})
    rows = {row[0].text: (row[1].text, row[2].text) for row in comparison.differences.rows}
    assert rows["protocol: embedding_dim"] == ("8", "16")
    assert rows["protocol: training.batch_size"] == ("1024", "512")
    assert rows["data of hotel"] == ("f00d", "beef")
    assert rows["device"] == ("made", "gpu") and rows["versions"] == ("python 3", "python 4")
    assert len(comparison.numbers[0].rows) == 6
    assert any(note.startswith("Only in A: hotel/DCNv2/0.1") for note in comparison.notes)


@pytest.mark.parametrize("blocks", [4, 1])
def test_compare_shows_the_planted_difference_and_tests_it_where_there_are_several_searches(tmp_path, blocks):
    shift = 0.01
    left = make(("mlp", "wukong"), blocks=blocks, noise=1e-3)
    right = [
        r.model_copy(update={"test": {**r.test, "logloss": r.test["logloss"] + shift}})
        if r.test and r.model == "mlp"
        else r
        for r in left
    ]
    (numbers,) = compared(tmp_path, left, right, search={"blocks": blocks}).numbers
    for row in numbers.rows:
        cells = dict(zip([column.name for column in numbers.columns], row, strict=True))
        moved = shift if cells["model"].value == "MLP" else 0.0
        assert cells["LogLoss B − A"].value == pytest.approx(moved, abs=1e-6)
        p = cells["LogLoss p (Holm)"]
        assert p.text == "—" if blocks == 1 else (p.value < 0.05) == (moved > 0)


def test_compare_counts_the_pairs_that_change_places_and_the_means_within_each_others_intervals(tmp_path):
    """Wukong has MLP's scores in B and MLP Wukong's: five pairs of four models turn or change, and four means move."""
    left = make(blocks=4, noise=1e-4, budgets=(0.1,))
    swapped = {"mlp": "wukong", "wukong": "mlp"}
    right = [record.model_copy(update={"model": swapped.get(record.model, record.model)}) for record in left]
    changes = {"search": {"blocks": 4}, "budgets": [0.1]}
    (table,) = compared(tmp_path, left, right, **changes).replication
    assert [row[1].text for row in table.rows] == ["0.1", "0.1"]
    for row in table.rows:
        cells = {column.name: cell.value for column, cell in zip(table.columns, row, strict=True)}
        assert (cells["pairs"], cells["apart in A"], cells["apart in B"], cells["turned"]) == (6, 6, 6, 5)
        assert (cells["means"], cells["within ±"]) == (8, 4), "those of DLRM and DCNv2"
    noisy = make(blocks=4, noise=0.02, budgets=(0.1,))
    (table,) = compared(tmp_path / "noisy", left, noisy, **changes).replication
    for row in table.rows:
        cells = {column.name: cell.value for column, cell in zip(table.columns, row, strict=True)}
        assert (cells["apart in A"], cells["apart in B"], cells["in one only"], cells["turned"]) == (6, 0, 6, 0)
    (single,) = compared(tmp_path, make(budgets=(0.1,)), make(budgets=(0.1,)), budgets=[0.1]).replication
    assert not single.rows


def test_equal_replicates_agree_in_every_pair_and_mean(tmp_path):
    made = make(blocks=4)
    (table,) = compared(tmp_path, made, made, search={"blocks": 4}).replication
    assert [row[1].text for row in table.rows] == ["mean", "0.1", "0.4", "1.6"] * 2
    for row in table.rows:
        cells = {column.name: cell.value for column, cell in zip(table.columns, row, strict=True)}
        assert cells["apart in A"] == cells["apart in B"] and cells["in one only"] == cells["turned"] == 0
        assert cells["within ±"] == cells["means"] == 8 > cells["expected"] > 6


def test_exports_hold_the_means_of_the_table(tmp_path):
    contents = findings.read(folder(tmp_path / "made", make()))
    (bars,) = export.write(contents, "bars", tmp_path / "bars")
    rows = pl.read_csv(bars)
    assert rows.height == 12, "each model at each budget: none is chosen by its test score"
    row = rows.row(-1, named=True)
    best = contents.rows("hotel").sort("auc", descending=True).row(0, named=True)
    assert (row["Model"], row["AUC"], row["Logloss"]) == ("Wukong", round(best["auc"], 6), round(best["logloss"], 6))
    (index,) = export.write(contents, "hugging-face", tmp_path / "hf")
    results = json.loads(index.read_text())["model-index"]
    metric = next(r for r in results if r["name"].startswith("Wukong at 1.6"))["results"][0]["metrics"][0]
    assert metric["type"] == "roc_auc" and metric["value"] == best["auc"]
    written = {path.stem: pl.read_parquet(path) for path in export.write(contents, "parquet", tmp_path / "parquet")}
    frames = {"runs": contents.runs, "summary": contents.summary, "overall": contents.overall}
    assert all(written[name].equals(frame) for name, frame in frames.items())
    assert written["row_noise"].equals(contents.row_covariance)
    assert written["runs"]["block"].unique().to_list() == [1]


@pytest.fixture
def sent(tmp_path):
    made = with_predictions(tmp_path, make(("wukong",)))
    best = {}  # the trials are random: let trial 0 win, which the final runs claim to repeat
    for record in made:
        if record.kind == "trial":
            best[record.budget] = min(best.get(record.budget, 9), record.valid["logloss"])
    won = [
        r.model_copy(update={"valid": {"logloss": best[r.budget] - 0.001, "auc": 0.8}})
        if (r.kind, r.trial) == ("trial", 0)
        else r
        for r in made
    ]
    won = [r.model_copy(update={"history": (), "best_epoch": None}) for r in won]
    return folder(tmp_path, won) / "records/hotel/wukong.jsonl"


def problems(path):
    return " ".join(submission.problems_of(path, protocol()))


def test_consistent_records_pass_as_unverified(sent):
    assert problems(sent) == ""
    done = run("submit-check", sent)
    assert done.exit_code == 0 and "unverified until rerun" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("pattern", "by", "problem"),
    [
        (r'"test":\{"auc":0\.9(\d)', '"test":{"auc":0.1\\1', "test auc 0.1"),
        (r'"training_flops":99999', '"training_flops":99998', "are not 3 x forward FLOPs"),
        (
            r'"forward_flops":33333,"training_flops":99999',
            '"forward_flops":40000,"training_flops":120000',
            r"by \+20.0%",
        ),
        (
            r'"kind":"final",(.*)"seed":5',
            '"kind":"final",\\1"seed":6',
            r"block 1: final runs with seeds \[6\], which are not those of the block",
        ),
        (r'"trial":9', '"trial":8', "recorded twice"),
        (r'"dataset":"hotel"', '"dataset":"../../etc"', "line 1: dataset: String should match"),
        (r'"model":"wukong"', '"model":"mlp"', "is in the file of 'wukong'"),
        (r'"status":"complete"', '"status":"splendid"', "line 1: status"),
        (r'"protocol_id":"\w+"', '"protocol_id":"abc"', "different protocols cannot share a table"),
        (r'\{"schema_version"', '{"__reduce__":"os.system","schema_version"', "Extra inputs are not permitted"),
        (r'"widths":\[16,8\]', '"widths":[99]', "not the configuration of trial 0"),
        (r'"predictions":"\w', '"predictions":"x', "the hash of the predictions is not the one in the record"),
    ],
)
def test_an_edited_record_is_reported(sent, pattern, by, problem):
    before = sent.read_text()
    sent.write_text(re.sub(pattern, by, before, count=1))
    assert sent.read_text() != before
    assert re.search(problem, problems(sent)), problems(sent)
    assert run("submit-check", sent).exit_code == 1


def test_a_missing_trial_is_reported(sent):
    lines = sent.read_text().splitlines(keepends=True)
    sent.write_text("".join(lines[1:]))
    assert "budget 0.1, block 1: 9 complete or pruned trials; the protocol asks for 10" in problems(sent)


def test_a_validation_metric_that_contradicts_its_history_is_reported(tmp_path):
    path = folder(tmp_path, make(("wukong",))) / "records/hotel/wukong.jsonl"
    assert "in its history" in problems(path)  # the generated trials' scores differ from those of their epochs


def test_result_blocks_are_filled_from_records_and_other_text_is_unchanged(tmp_path):
    folder(tmp_path / "results/made", with_check(make(blocks=4, seeds=(1, 2))))
    text = "# Title\n\n<!-- results: made -->\nof yesterday\n<!-- end results -->\n\nend\n"
    after = readme.rewritten(text, tmp_path / "results", tmp_path)
    assert after.startswith("# Title\n\n<!-- results: made -->\n") and after.endswith("<!-- end results -->\n\nend\n")
    assert (
        "of yesterday" not in after
        and "| Wukong | **0.4" in after
        and "Wukong is best in the mean over 3 budgets" in after
    )
    assert readme.rewritten(after, tmp_path / "results", tmp_path) == after


def test_a_block_without_results_or_end_is_an_error(tmp_path):
    with pytest.raises(RecordError, match="no results in"):
        readme.rewritten("<!-- results: x -->\n<!-- end results -->", tmp_path, tmp_path)
    with pytest.raises(RecordError, match="1 result blocks are opened but 0 closed"):
        readme.rewritten("<!-- results: x -->\n", tmp_path, tmp_path)


def test_the_readmes_result_blocks_match_the_records():
    root = Path(__file__).parents[1]
    text = (root / "README.md").read_text(encoding="utf-8")
    assert readme.rewritten(text, root / "results", root) == text
