import pytest
from made_records import failed, folder, make, protocol, with_predictions

from benchmark import findings
from benchmark.errors import RecordError
from benchmark.findings.summary import tidy
from benchmark.findings.verdict import verdict, warnings


def judged(path, made, **changes):
    return verdict(findings.read(folder(path, made, protocol(**changes))), "hotel")


def test_a_clear_lead_with_enough_trials_and_seeds_names_the_winner_with_its_interval(tmp_path):
    said = judged(tmp_path, make())
    assert said.winner == "wukong"
    assert "Wukong is best at 1.6 training MFLOP per example, LogLoss 0.4" in said.sentence
    assert "±" in said.sentence and "ahead of DCNv2" in said.sentence
    assert "its lead changes with compute" in said.sentence


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (make(trials=4), "4 trials a study are under the 10"),
        (make(trials=10) + make(("rankmixer",), trials=12), "models had from 10 to 12 trials"),
        (make(seeds=(1,)), "1 seed is under the 5"),
        (make(seeds=(1, 2, 3)), "3 seeds are under the 5"),
        (make(noise=0.01), "its seeds do not tell it apart from"),
        (make(("wukong",)), "no other model has a final run there"),
        (make(("wukong", "mlp")), "DLRM and DCNv2 have no final run there"),
        ([failed(record) for record in make()], "no final run is complete; 180 runs failed"),
        ([record for record in make() if record.kind == "trial"], "no final run is complete"),
    ],
)
def test_no_winner_is_named_where_the_records_do_not_carry_it(tmp_path, made, reason):
    said = judged(tmp_path, made)
    assert said.winner is None
    assert reason in said.sentence and "no winner is named" in said.sentence


def test_a_tie_names_nobody(tmp_path):
    same = [r.model_copy(update={"test": {"logloss": 0.42, "auc": 0.78}}) if r.test else r for r in make()]
    assert "tell it apart from" in judged(tmp_path, same).sentence


def test_a_gap_that_the_test_part_cannot_show_names_nobody_however_sure_the_seeds_are(tmp_path):
    made = with_predictions(tmp_path, make(noise=1e-6, models=("dlrm", "mlp")), examples=2000, disagreement=0.6)
    said = judged(tmp_path, made, models=["dlrm", "mlp"])
    assert said.winner is None and "2,000 test examples do not show a gap like that to" in said.sentence
    assert "do not tell it apart" not in said.sentence


def test_no_sentence_prints_a_nan(tmp_path):
    for i, made in enumerate([make(seeds=(1,)), make(budgets=(0.1,)), make(("wukong",), seeds=(1,), budgets=(0.1,))]):
        assert "nan" not in judged(tmp_path / str(i), made).sentence


def warned(path, made, facts=None, **changes):
    return " ".join(warnings(findings.read(folder(path, made, protocol(**changes), facts)), "hotel"))


def test_a_learning_rate_near_the_end_of_its_range_is_warned_of(tmp_path):
    made = make(("mlp",), optimiser={"learning_rate": 2.9e-2})
    assert "within 5 % of an end of its range: MLP at 0.1 (0.029)" in warned(tmp_path, made)


def test_trials_and_seeds_that_failed_are_warned_of(tmp_path):
    made = make(("mlp",), budgets=(0.1,))
    lost = [failed(record) if record.trial in (1, 2, 3) and record.kind == "trial" else record for record in made[:-1]]
    said = warned(tmp_path, [*lost, failed(made[-1])])
    assert "MLP at 0.1 MFLOP: 7 of 10 trials finished." in said
    assert "MLP at 0.1 MFLOP: 1 of 5 seeds failed." in said


def test_a_score_below_the_bayes_bound_is_warned_of(tmp_path):
    said = warned(tmp_path, make(), {"bounds": {"Bayes": {"logloss": 0.424, "auc": 0.78}}})
    assert "Below the Bayes bound, which no model can be: DCNv2 and Wukong" in said


def test_records_of_several_devices_and_dirty_sources_are_warned_of(tmp_path):
    made = make(("mlp",)) + make(("wukong",), device="another", dirty=True)
    said = warned(tmp_path, made)
    assert "2 different devices" in said and "uncommitted changes" in said


def test_records_of_another_protocol_or_other_data_are_refused_and_the_difference_named():
    with pytest.raises(RecordError, match=r"different protocols .* share a table: \w+ and other"):
        tidy(make(("mlp",)) + make(("wukong",), protocol_id="other"))
    with pytest.raises(RecordError, match="different data of hotel cannot share a table: f00d and beef"):
        tidy(make(("mlp",)) + make(("wukong",), data_fingerprint="beef"))


def test_a_record_of_another_schema_is_refused_by_file_and_line(tmp_path):
    path = folder(tmp_path, make(("mlp",)))
    file = path / "records/hotel/mlp.jsonl"
    file.write_text(file.read_text().replace('"schema_version":1', '"schema_version":2', 1))
    with pytest.raises(RecordError, match=r"mlp.jsonl, line 1: schema_version: Input should be 1"):
        findings.read(path)
