"""Row noise: from predictions, or stored so that a folder without predictions gives the same report."""

import shutil
import tracemalloc

import numpy as np
import pytest
from made_records import folder, make, replicated, table, with_predictions

from benchmark import findings
from benchmark.errors import RecordError
from benchmark.findings.warnings import warnings
from benchmark.records import packed, predictions
from benchmark.records.merge import merge
from benchmark.reports.write import write_report
from benchmark.statistics import auc, row_covariance


def logits_of(path, made):
    """Return the labels, the first final run of each block and their logits (n, N), rounded to half precision."""
    runs = {(r.model, r.budget, r.block): r for r in reversed(made) if r.predictions}.values()
    read = [predictions.read(predictions.prediction_file(path, r.dataset, r.model, r.budget, r.seed)) for r in runs]
    return read[0][1], list(runs), np.stack([logit for logit, _ in read]).astype(np.float16).astype(float)


def test_the_covariance_of_studies_is_the_mean_over_pairs_of_runs_of_different_blocks(tmp_path):
    made = with_predictions(tmp_path, replicated(("mlp", "wukong"), budgets=(0.1, 0.4), blocks=3, noise=5e-3), 500)
    label, runs, logits = logits_of(tmp_path, made)
    found = findings.read(folder(tmp_path, made)).row_noise("hotel")
    loss = np.logaddexp(0, np.where(label == 1, -logits, logits))
    covariances = {"auc": auc(label, logits).covariance, "logloss": np.cov(loss) / 500}
    names, blocks = [(r.model, r.budget) for r in runs], [r.block for r in runs]
    for metric, covariance in covariances.items():
        studies, matrix = found.of(metric)
        assert matrix == pytest.approx(row_covariance(covariance, names, blocks, studies), rel=1e-5)
    assert found.examples == 500 and len(studies) == 4


def test_row_noise_widens_intervals_and_is_shown_beside_the_noise_of_blocks(tmp_path):
    made = with_predictions(tmp_path, replicated(("mlp", "wukong"), noise=1e-5), disagreement=0.6)
    with_rows = findings.read(folder(tmp_path, made)).scores("hotel", "logloss")
    without = findings.read(folder(tmp_path / "without", made)).scores("hotel", "logloss")
    assert with_rows.covers == "search, seeds and test rows" and without.covers == "search and seeds"
    assert (with_rows.overall.half > 3 * without.overall.half).all()
    shown = table(tmp_path, "noise")
    assert "4,000 test rows" in shown.legend
    assert all(row[4].value > 3 * row[2].value > 0 for row in shown.rows)


def test_the_runs_of_a_single_search_give_no_row_noise(tmp_path):
    made = with_predictions(tmp_path, make(("mlp", "wukong"), budgets=(0.1,)))
    assert findings.read(folder(tmp_path, made)).row_noise("hotel").of("auc") is None


def test_memory_holds_a_number_per_study_and_test_row_and_not_all_logits(tmp_path):
    examples = 30_000
    made = with_predictions(
        tmp_path, replicated(("mlp", "wukong"), budgets=(0.1, 0.4, 1.6, 6.4), seeds=(1, 2, 3)), examples
    )
    contents = findings.read(folder(tmp_path, made))
    tracemalloc.start()
    contents.row_noise("hotel")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    runs = sum(record.predictions is not None for record in made)
    assert runs == 96 and peak < 0.6 * runs * examples * 8


def contents(path):
    files = sorted(
        file
        for file in path.rglob("*")
        if file.is_file() and "predictions" not in file.parts and not file.name.startswith(".")
    )
    return {file.relative_to(path): file.read_bytes() for file in files}


@pytest.mark.slow
def test_a_folder_without_predictions_gives_the_same_report(tmp_path):
    path = folder(tmp_path, with_predictions(tmp_path, replicated(("mlp", "wukong"), budgets=(0.1,))))
    write_report(path)
    before = contents(path)
    shutil.rmtree(path / "predictions")
    write_report(path)
    assert contents(path) == before
    assert "4,000 test rows" in table(path, "noise").legend


@pytest.mark.usefixtures("without_figures")
def test_stored_row_noise_of_other_or_incomplete_predictions_is_not_used(tmp_path):
    made = with_predictions(tmp_path, replicated(("mlp", "wukong"), budgets=(0.1,)))
    write_report(folder(tmp_path, made))
    others = [r.model_copy(update={"predictions": "0" * 64}) if r.predictions else r for r in made]
    assert findings.read(folder(tmp_path, others)).row_noise("hotel").studies == ()
    shutil.rmtree(tmp_path / "row_noise")
    shutil.rmtree(tmp_path / "packed_predictions")
    first = min((r for r in made if r.predictions), key=lambda r: r.seed)
    predictions.prediction_file(tmp_path, first.dataset, first.model, first.budget, first.seed).unlink()
    write_report(folder(tmp_path, made))
    assert findings.read(tmp_path).row_noise("hotel").studies and not (tmp_path / "row_noise").exists()


@pytest.mark.usefixtures("without_figures")
def test_invalid_stored_row_noise_raises_an_error_that_names_the_file(tmp_path):
    write_report(folder(tmp_path, with_predictions(tmp_path, replicated(("mlp", "wukong"), budgets=(0.1,)))))
    (tmp_path / "row_noise/hotel.json").write_text('{"found": [1]}')
    with pytest.raises(RecordError, match=r"hotel.json: [^\n]*remove it and rerun `report`"):
        findings.read(tmp_path).row_noise("hotel")


def test_where_predictions_do_not_match_the_records_the_noise_of_rows_is_the_largest_of_the_others(tmp_path):
    made = with_predictions(tmp_path, replicated(("mlp", "wukong"), budgets=(0.1,)))
    forged = [r.model_copy(update={"predictions": "0" * 64}) if r.model == "mlp" and r.predictions else r for r in made]
    contents = findings.read(folder(tmp_path, forged))
    assert contents.row_noise("hotel").studies == (("wukong", 0.1),)
    scores = contents.scores("hotel", "auc")
    known, unknown = (scores.blocks.index[model, 0.1] for model in ("wukong", "mlp"))
    assert scores.assumed == (("mlp", 0.1),) and scores.blocks.rows[known, unknown] == 0
    assert scores.blocks.rows[unknown, unknown] == scores.blocks.rows[known, known] > 0
    [text] = [text for text in warnings(contents, "hotel") if "MLP" in text and "predictions" in text]
    assert "largest of the other models'" in text


@pytest.mark.usefixtures("without_figures")
def test_a_model_added_by_merging_keeps_the_others_row_noise_and_gets_its_covariance_with_them(tmp_path):
    made = with_predictions(tmp_path / "all", replicated(("dlrm", "mlp", "wukong"), budgets=(0.1,)))
    whole = folder(tmp_path / "all", made)
    shipped = folder(tmp_path / "shipped", [r for r in made if r.model != "dlrm"], facts={"fingerprint": "f00d"})
    shutil.copytree(whole / "predictions", shipped / "predictions")
    write_report(shipped)
    shutil.rmtree(shipped / "predictions")  # the shipped folder has packed ones only
    before = findings.read(shipped).row_noise("hotel")
    added = folder(tmp_path / "added", [r for r in made if r.model == "dlrm"], facts={"fingerprint": "f00d"})
    shutil.copytree(whole / "predictions/hotel/dlrm", added / "predictions/hotel/dlrm")
    write_report(added)
    merge(shipped, [added])
    after, oracle = findings.read(shipped).row_noise("hotel"), findings.read(whole).row_noise("hotel")
    assert after.studies == (("dlrm", 0.1), *before.studies) == oracle.studies
    for metric in ("auc", "logloss"):
        assert after.of(metric)[1][1:, 1:] == pytest.approx(before.of(metric)[1], rel=1e-12)
        assert (after.of(metric)[1] == oracle.of(metric)[1]).all() and (after.of(metric)[1] > 0).all()


def test_packed_predictions_that_do_not_give_the_recorded_metrics_are_not_used(tmp_path):
    made = with_predictions(tmp_path, replicated(("mlp", "wukong"), budgets=(0.1,)))
    findings.read(folder(tmp_path, made)).keep_row_noise()
    shutil.rmtree(tmp_path / "predictions")
    (tmp_path / "row_noise/hotel.json").unlink()
    assert len(findings.read(tmp_path).row_noise("hotel").studies) == 2
    path = packed.packed_file(tmp_path, "hotel", "mlp")
    kept = packed.read(path)
    packed.write(path, packed.Packed(kept.runs, kept.logits[:, ::-1], kept.labels))
    assert findings.read(tmp_path).row_noise("hotel").studies == (("wukong", 0.1),)


@pytest.mark.parametrize("damage", [b"", b"PK", b"no archive at all"])
def test_damaged_packed_predictions_raise_an_error_that_names_the_file(tmp_path, damage):
    path = tmp_path / "mlp.npz"
    path.write_bytes(damage)
    with pytest.raises(RecordError, match=r"mlp\.npz: not a valid file of packed predictions"):
        packed.read(path)


def test_packed_predictions_that_are_no_numbers_are_rejected(tmp_path):
    path = tmp_path / "mlp.npz"
    packed.write(path, packed.Packed(("a",), np.array([[0.5, np.nan]], np.float16), np.uint8([0, 1])))
    with pytest.raises(RecordError, match=r"mlp\.npz: not a valid file .*logits \(1, 2\)"):
        packed.read(path)


def test_packed_predictions_that_unpack_to_gigabytes_are_rejected_unread(tmp_path):
    path = tmp_path / "mlp.npz"
    zeros = np.zeros((8, packed.LARGEST_BYTES // 16 + 1), np.float16)
    packed.write(path, packed.Packed(tuple("abcdefgh"), zeros, np.zeros(zeros.shape[1], np.uint8)))
    tracemalloc.start()
    with pytest.raises(RecordError, match=f"mlp.npz: .* bytes when unpacked; at most {packed.LARGEST_BYTES}"):
        packed.read(path)
    assert tracemalloc.get_traced_memory()[1] < packed.LARGEST_BYTES / 100
    tracemalloc.stop()


def test_packed_predictions_take_two_bytes_per_run_and_row_and_are_read_back(tmp_path):
    logits = packed.half(np.random.default_rng(1).normal(0, 3, (4, 10_000)).astype(np.float32))
    label = np.random.default_rng(2).integers(0, 2, 10_000).astype(np.uint8)
    path = tmp_path / "mlp.npz"
    packed.write(path, packed.Packed(("a", "b", "c", "d"), logits, label))
    kept = packed.read(path)
    assert kept.runs == ("a", "b", "c", "d") and (kept.logits == logits).all() and (kept.labels == label).all()
    assert path.stat().st_size < 1.05 * (2 * logits.size + 10_000 / 8)
