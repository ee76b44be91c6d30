import re

import pytest
from made_records import collapsed, doubled, failed, folder, make, protocol, with_check, with_predictions

from benchmark import findings
from benchmark.errors import RecordError
from benchmark.findings.summary import tidy
from benchmark.findings.verdict import verdict, warnings


def judged(path, made, **changes):
    return verdict(findings.read(folder(path, made, protocol(**changes))), "hotel")


def test_a_clear_lead_with_enough_trials_and_seeds_names_the_winner_with_its_interval(tmp_path):
    judgement = judged(tmp_path, with_check(make()))
    assert judgement.winner == "wukong"
    assert "Wukong is best at 1.6 training MFLOP per example, LogLoss 0.4" in judgement.sentence
    assert "±" in judgement.sentence and "ahead of DCNv2" in judgement.sentence
    assert "its lead changes with compute" in judgement.sentence


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (make(trials=4), "4 trials per study is below the 10 required to name a winner"),
        (make(trials=10) + make(("rankmixer",), trials=12), "the number of trials differs between models (10 to 12)"),
        (make(seeds=(1,)), "1 seed is below the 5 required to name a winner"),
        (make(seeds=(1, 2, 3)), "3 seeds is below the 5 required to name a winner"),
        (make(noise=0.01), "it cannot be told apart from"),
        (make(("wukong",)), "no other model has a final run at this budget"),
        (make(("wukong", "mlp")), "DLRM and DCNv2 have no final run at this budget"),
        ([failed(record) for record in make()], "no final run is complete; 180 runs failed"),
        ([collapsed(record) for record in make()], "no final run is complete; 180 runs collapsed"),
        ([record for record in make() if record.kind == "trial"], "no final run is complete"),
        (make(), "but no doubling check was made."),
        (
            [*make(), *doubled(make(), lambda r: 0.01 if r.model == "mlp" else 0.0)],
            "but twice the epochs still help 3 of 12 winners (MLP most, by 0.0100 in validation LogLoss).",
        ),
    ],
)
def test_no_winner_is_named_where_the_records_do_not_support_one(tmp_path, made, reason):
    judgement = judged(tmp_path, made)
    assert judgement.winner is None
    assert reason in judgement.sentence and "no winner is named" in judgement.sentence


def test_a_tie_names_no_winner(tmp_path):
    same = [r.model_copy(update={"test": {"logloss": 0.42, "auc": 0.78}}) if r.test else r for r in make()]
    assert "it cannot be told apart from" in judged(tmp_path, same).sentence


def test_a_gap_within_the_sampling_noise_of_the_test_part_names_no_winner_whatever_the_seeds_say(tmp_path):
    made = with_predictions(tmp_path, make(noise=1e-6, models=("dlrm", "mlp")), examples=2000, disagreement=0.6)
    judgement = judged(tmp_path, made, models=["dlrm", "mlp"])
    assert judgement.winner is None
    assert re.search(r"the gap to \w+ is within the sampling noise of the 2,000 test examples", judgement.sentence)
    assert "told apart" not in judgement.sentence


def test_no_sentence_prints_a_nan(tmp_path):
    for i, made in enumerate([make(seeds=(1,)), make(budgets=(0.1,)), make(("wukong",), seeds=(1,), budgets=(0.1,))]):
        assert "nan" not in judged(tmp_path / str(i), made).sentence


def warned(path, made, facts=None, **changes):
    return " ".join(warnings(findings.read(folder(path, made, protocol(**changes), facts)), "hotel"))


def test_a_learning_rate_near_an_end_of_its_range_gives_a_warning(tmp_path):
    made = make(("mlp",), optimiser={"learning_rate": 2.9e-2})
    assert "within 5 % of an end of its range: MLP at 0.1 MFLOP (0.029)" in warned(tmp_path, made)


def test_failed_trials_and_seeds_give_a_warning(tmp_path):
    made = make(("mlp",), budgets=(0.1,))
    lost = [failed(record) if record.trial in (1, 2, 3) and record.kind == "trial" else record for record in made[:-1]]
    text = warned(tmp_path, [*lost, failed(made[-1])])
    assert "MLP at 0.1 MFLOP: 7 of 10 trials finished." in text
    assert "MLP at 0.1 MFLOP: 1 of 5 seeds failed." in text


def test_collapsed_trials_and_seeds_give_a_warning(tmp_path):
    made = make(("mlp",), budgets=(0.1,))
    lost = [
        collapsed(record) if record.trial in (1, 2, 3) and record.kind == "trial" else record for record in made[:-1]
    ]
    text = warned(tmp_path, [*lost, collapsed(made[-1])])
    assert "MLP at 0.1 MFLOP: 7 of 10 trials finished." in text
    assert "MLP at 0.1 MFLOP: 3 of 10 trials collapsed: they do not rank." in text
    assert "MLP at 0.1 MFLOP: 1 of 5 seeds collapsed." in text and "failed" not in text


def test_a_missing_or_failed_doubling_check_gives_a_warning_and_a_passed_one_none(tmp_path):
    made = make()
    assert "Trained for 1 epoch: no doubling check was made." in warned(tmp_path / "missing", made)
    failing = [*made, *doubled(made, lambda record: 0.01)]
    text = warned(tmp_path / "failing", failing)
    assert "twice the epochs still help 12 of 12 winners" in text and "in validation LogLoss)." in text
    assert "epochs" not in warned(tmp_path / "passed", with_check(made))


def test_a_score_better_than_the_bayes_bound_gives_a_warning(tmp_path):
    text = warned(tmp_path, make(), {"bounds": {"Bayes": {"logloss": 0.424, "auc": 0.78}}})
    assert "Better than the Bayes bound, which is impossible: DCNv2 and Wukong." in text


def test_several_devices_and_uncommitted_changes_give_a_warning(tmp_path):
    made = make(("mlp",)) + make(("wukong",), device="another", dirty=True)
    text = warned(tmp_path, made)
    assert "2 different devices" in text and "uncommitted changes" in text


def test_records_of_another_protocol_or_other_data_raise_an_error_that_names_the_difference():
    with pytest.raises(RecordError, match=r"different protocols .* share a table: \w+ and other"):
        tidy(make(("mlp",)) + make(("wukong",), protocol_id="other"))
    with pytest.raises(RecordError, match="different data of hotel cannot share a table: f00d and beef"):
        tidy(make(("mlp",)) + make(("wukong",), data_fingerprint="beef"))


def test_a_record_of_another_schema_raises_an_error_with_file_and_line(tmp_path):
    path = folder(tmp_path, make(("mlp",)))
    file = path / "records/hotel/mlp.jsonl"
    file.write_text(file.read_text().replace('"schema_version":1', '"schema_version":2', 1))
    with pytest.raises(RecordError, match=r"mlp.jsonl, line 1: schema_version: Input should be 1"):
        findings.read(path)
