"""Row noise: from predictions, or stored so that a folder without predictions gives the same report."""

import shutil

import pytest
from made_records import folder, make, table, with_predictions

from benchmark import findings
from benchmark.errors import RecordError
from benchmark.reports.write import write_report


def test_row_noise_gives_the_gap_that_the_test_part_can_detect(tmp_path):
    made = with_predictions(tmp_path, make(("mlp", "wukong"), budgets=(0.1,)))
    shown = table(folder(tmp_path, made), "row_noise")
    leader, other = shown.rows
    assert leader[3].text == "—" and other[3].value > 0
    assert other[4].value == pytest.approx(2.8016 * other[3].half / 1.95996, rel=1e-3)
    assert "4,000 test examples" in shown.legend


def contents(path):
    files = sorted(
        file
        for file in path.rglob("*")
        if file.is_file() and "predictions" not in file.parts and not file.name.startswith(".")
    )
    return {file.relative_to(path): file.read_bytes() for file in files}


def test_a_folder_without_predictions_gives_the_same_report(tmp_path):
    path = folder(tmp_path, with_predictions(tmp_path, make(("mlp", "wukong"))))
    write_report(path)
    before = contents(path)
    shutil.rmtree(path / "predictions")
    write_report(path)
    assert contents(path) == before
    assert "4,000 test examples" in table(path, "row_noise").legend


def test_stored_row_noise_of_other_or_incomplete_predictions_is_not_used(tmp_path):
    made = with_predictions(tmp_path, make(("mlp", "wukong"), budgets=(0.1,)))
    write_report(folder(tmp_path, made))
    others = [r.model_copy(update={"predictions": "0" * 64}) if r.predictions else r for r in made]
    assert findings.read(folder(tmp_path, others)).row_noise("hotel") == []
    shutil.rmtree(tmp_path / "row_noise")
    next((tmp_path / "predictions").rglob("*.npz")).unlink()
    write_report(folder(tmp_path, made))
    assert findings.read(tmp_path).row_noise("hotel") and not (tmp_path / "row_noise").exists()


def test_invalid_stored_row_noise_raises_an_error_that_names_the_file(tmp_path):
    write_report(folder(tmp_path, with_predictions(tmp_path, make(("mlp", "wukong"), budgets=(0.1,)))))
    (tmp_path / "row_noise/hotel.json").write_text('{"found": [1]}')
    with pytest.raises(RecordError, match=r"(?s)hotel.json: .*remove it and rerun `report`"):
        findings.read(tmp_path).row_noise("hotel")


def test_predictions_that_do_not_match_the_record_are_ignored(tmp_path):
    made = with_predictions(tmp_path, make(("mlp", "wukong"), budgets=(0.1,)))
    forged = [r.model_copy(update={"predictions": "0" * 64}) if r.model == "mlp" and r.predictions else r for r in made]
    assert findings.read(folder(tmp_path, forged)).row_noise("hotel") == []
