import json
from pathlib import Path

import polars as pl
import pytest
from made_records import folder, make, protocol, with_check

from benchmark import findings
from benchmark.errors import RecordError
from benchmark.reports import compare, export, readme


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


def test_compare_lists_accepted_changes_uncommitted_code_and_processors_of_each_folder(tmp_path):
    made = make(("mlp", "wukong"))
    half = len(made) // 2
    mixed = [record.model_copy(update={"device": "other", "dirty": True}) for record in made[:half]] + made[half:]
    changed = [record.model_copy(update={"accepted": ("2026-01-02 code of training",)}) for record in made]
    comparison = compared(tmp_path, mixed, changed)
    rows = {row[0].text: (row[1].text, row[2].text) for row in comparison.differences.rows}
    assert rows == {
        "uncommitted changes": ("no, yes", "no"),
        "accepted changes": ("none", "2026-01-02 code of training"),
        "device": ("made, other", "made"),
    }
    assert comparison.notes[:3] == [
        f"A: {half} of {len(made)} records were made with uncommitted changes in the suite.",
        f"A: 2 devices: other ({half}); made ({half}).",
        f"B: accepted change, in {len(made)} of {len(made)} records: 2026-01-02 code of training.",
    ]


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
    run, record = written["runs"].row(0, named=True), contents.records[0]
    assert (run["device"], run["commit"], run["finished"]) == (record.device, record.commit, record.finished)
    assert [epoch["auc"] for epoch in run["history"]] == [epoch["auc"] for epoch in record.history] != []
    calibrated = [r.model_copy(update={"test": r.test | {"calibration": 1.25}}) if r.test else r for r in make()]
    finals = findings.read(folder(tmp_path / "calibrated", calibrated)).runs.filter(pl.col("kind") == "final")
    assert set(finals["test_calibration"]) == {1.25} and finals["valid_calibration"].is_null().all()
    assert written["runs"]["block"].unique().to_list() == [1]


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
