"""The verdict names a winner only where one model can be the best and every rule holds, for the metric that decides."""

import re
from io import StringIO

import pytest
from made_records import (
    collapsed,
    doubled,
    failed,
    folder,
    make,
    protocol,
    replicated,
    timed,
    with_check,
    with_predictions,
)
from markupsafe import escape
from rich.console import Console

from benchmark import findings
from benchmark.cli.report import show
from benchmark.errors import RecordError
from benchmark.findings.runs import tidy
from benchmark.findings.verdict import verdict
from benchmark.findings.warnings import warnings
from benchmark.reports import page, readme
from benchmark.reports.formats import escape_markdown


def judged(path, made, **changes):
    search = {"blocks": max(record.block for record in made)}
    return verdict(findings.read(folder(path, made, protocol(**{"search": search, **changes}))), "hotel")


def test_a_clear_lead_with_enough_searches_names_the_winner_with_its_interval(tmp_path):
    judgement = judged(tmp_path, with_check(replicated()))
    assert judgement.winner == "wukong"
    where = "in the mean over 3 budgets (0.1 to 1.6 training MFLOP per example)"
    assert f"Wukong is best {where}, LogLoss 0.4140 ±" in judgement.sentence
    assert re.search(r"0\.00\d\d ± 0\.000\d ahead of DCNv2; ± covers search and seeds\.", judgement.sentence)
    assert "its lead changes with compute" in judgement.sentence


def without(model, budget, made):
    return [r for r in made if (r.model, r.budget, r.kind) != (model, budget, "final")]


def missing(model, count, made):
    """Return the records with the final runs of `count` blocks of a model's studies failed."""
    return [failed(r) if r.kind == "final" and r.model == model and r.block <= count else r for r in made]


def perfect(model, made):
    """Return the records with a LogLoss of 0 in the model's final runs."""
    return [
        record.model_copy(update={"test": {**record.test, "logloss": 0.0}})
        if record.model == model and record.test
        else record
        for record in made
    ]


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (replicated(trials=4), "4 trials per search is below the 10 required to name a winner"),
        (
            replicated(trials=10) + replicated(("rankmixer",), trials=12),
            "the number of trials differs between searches (10 to 12)",
        ),
        (replicated(blocks=2), "2 blocks is below the 3 required to name a winner"),
        (replicated(noise=0.01), "may be the best in the mean over 3 budgets"),
        (replicated(("wukong",)), "MLP, DLRM and DCNv2 have no final run at every budget"),
        (replicated(("wukong", "mlp")), "DLRM and DCNv2 have no final run at every budget"),
        (without("dlrm", 0.4, replicated()), "DLRM has no final run at every budget"),
        (missing("dlrm", 2, replicated()), "DLRM lacks more than a third of the blocks of a study"),
        (perfect("dlrm", replicated()), "DLRM has final runs with a perfect LogLoss, as a leak gives it"),
        ([failed(record) for record in make()], "no final run is complete; 180 runs failed"),
        ([collapsed(record) for record in make()], "no final run is complete; 180 runs collapsed"),
        ([record for record in make() if record.kind == "trial"], "no final run is complete"),
        (make(), "each study is one search, whose luck is not in the interval"),
        (replicated(), "but no doubling check was made."),
        (
            [*replicated(), *doubled(replicated(), lambda r: 0.01 if r.model == "mlp" else 0.0)],
            "but twice the epochs still help 3 of 12 winners (MLP most, by 0.0100 in validation LogLoss).",
        ),
    ],
)
def test_no_winner_is_named_where_the_records_do_not_support_one(tmp_path, made, reason):
    judgement = judged(tmp_path, made)
    assert judgement.winner is None
    assert reason in judgement.sentence and "no winner is named" in judgement.sentence


def test_a_missing_block_is_counted_and_does_not_forbid_a_winner(tmp_path):
    made = with_check(missing("dlrm", 1, replicated()))
    assert judged(tmp_path, made).winner == "wukong"
    assert "DLRM at 0.4 MFLOP: 1 of 4 blocks have no finished final run." in " ".join(
        warnings(findings.read(tmp_path), "hotel")
    )


def test_several_possible_winners_are_named_with_the_cheapest_and_how_far_they_are_behind_at_most(tmp_path):
    parameters = {"wukong": 30_000, "dcnv2": 20_000, "dlrm": 40_000, "mlp": 10_000}
    made = [r.model_copy(update={"dense_parameters": parameters[r.model]}) for r in with_check(replicated(noise=1e-2))]
    possible = "no winner is named: Wukong, DCNv2 and DLRM may be the best in the mean over 3 budgets .*"
    smallest = r"; the cheapest by dense parameters is DCNv2, at most (0\.\d{4}) LogLoss behind"
    assert re.search(rf"{possible}{smallest}\.$", judged(tmp_path, made).sentence)
    assert "training time" not in judged(tmp_path, made).sentence  # it was not measured
    timed(tmp_path, {"wukong": 1e4, "dcnv2": 2e4, "dlrm": 4e4, "mlp": 8e4})  # MLP cannot be the best
    sentence = judged(tmp_path, made).sentence
    fastest = r"; the cheapest by measured training time is DLRM, at most (0\.\d{4}) LogLoss behind"
    bounds = re.search(rf"{possible}{fastest}{smallest}\.$", sentence)
    assert bounds, sentence
    for bound, gap in zip(bounds.groups(), (0.427 - 0.414, 0.421 - 0.414), strict=True):  # planted means over budgets
        assert gap < float(bound) < gap + 0.02
    timed(tmp_path, {"wukong": 1e4, "dcnv2": 4e4, "dlrm": 2e4})
    both = "the cheapest by measured training time and dense parameters is DCNv2, at most"
    assert both in judged(tmp_path, made).sentence
    timed(tmp_path, {"wukong": 1e4, "dcnv2": 4e4})
    assert "training time" not in judged(tmp_path, made).sentence  # DLRM, not measured, may be faster


def test_equal_scores_everywhere_leave_all_models_possible(tmp_path):
    same = [r.model_copy(update={"test": {"logloss": 0.42, "auc": 0.78}}) if r.test else r for r in replicated()]
    assert "DCNv2, DLRM, MLP and Wukong may be the best" in judged(tmp_path, same).sentence


def test_a_gap_within_the_noise_of_the_test_rows_names_no_winner_whatever_the_searches_say(tmp_path):
    made = replicated(noise=1e-6, models=("dlrm", "mlp"))
    same = with_check(with_predictions(tmp_path, made, examples=2000, disagreement=0.6))
    judgement = judged(tmp_path, same, models=["dlrm", "mlp"])
    assert judgement.winner is None and "may be the best" in judgement.sentence
    agreed = with_check(with_predictions(tmp_path, made, examples=2000, disagreement=0.01))
    assert judged(tmp_path, agreed, models=["dlrm", "mlp"]).winner == "dlrm"


def test_the_noise_of_test_rows_counts_for_the_metric_that_decides_though_another_model_leads_in_the_other(tmp_path):
    made = with_check(with_predictions(tmp_path, replicated(noise=1e-6, models=("dlrm", "mlp")), 2000, 0.6))
    turned = [  # MLP leads in LogLoss, DLRM in AUC, by which the verdict is given
        r.model_copy(update={"test": {**r.test, "logloss": r.test["logloss"] + (0.1 if r.model == "dlrm" else 0)}})
        if r.test
        else r
        for r in made
    ]
    changes = {"models": ["dlrm", "mlp"], "training": {"monitor": "auc"}}
    judgement = judged(tmp_path, turned, **changes)
    assert judgement.winner is None and "DLRM and MLP may be the best" in judgement.sentence


def test_unknown_noise_of_test_rows_names_no_winner_unless_the_test_part_is_too_large_for_it_to_matter(tmp_path):
    made = with_check(replicated())
    small = findings.read(folder(tmp_path, made, facts={"rows": {"test": 28_860}}))
    assert "the noise of the test rows is unknown: predictions are missing" in verdict(small, "hotel").sentence
    assert judged(tmp_path, made).winner == "wukong"


@pytest.mark.parametrize("noise", [2e-4, 1e-2])
def test_terminal_page_and_text_say_the_same_as_the_verdict(tmp_path, noise):
    path = folder(tmp_path / "made", with_check(replicated(noise=noise)))
    sentence = verdict(findings.read(path), "hotel").sentence
    assert str(escape(sentence)) in page.render(findings.read(path))
    assert escape_markdown(sentence) in readme.block(path, tmp_path)
    console = Console(record=True, width=200, file=StringIO())
    show(findings.read(path), console)
    assert "".join(sentence.split()) in "".join(console.export_text().split())


def test_no_sentence_prints_a_nan(tmp_path):
    alone = make(("wukong",), seeds=(1,), budgets=(0.1,))
    for i, made in enumerate([make(seeds=(1,)), make(budgets=(0.1,)), alone, replicated(blocks=2, seeds=(1,))]):
        assert "nan" not in judged(tmp_path / str(i), made).sentence


def warned(path, made, facts=None, **changes):
    return " ".join(warnings(findings.read(folder(path, made, protocol(**changes), facts)), "hotel"))


def test_a_single_search_gives_a_warning_that_says_why_nothing_is_told_apart(tmp_path):
    assert "One search per study: its luck is not in the interval" in warned(tmp_path, make())
    assert "One search" not in warned(tmp_path, replicated())


def test_a_perfect_auc_is_left_out_and_named(tmp_path):
    perfect = [
        r.model_copy(update={"test": {"logloss": 0.1, "auc": 1.0}}) if r.test and r.model == "mlp" else r
        for r in replicated(budgets=(0.1,))
    ]
    assert "Final runs with a perfect AUC have no logarithm and are left out: MLP at 0.1 MFLOP." in warned(
        tmp_path, perfect
    )


def test_a_learning_rate_near_an_end_of_its_range_gives_a_warning(tmp_path):
    made = make(("mlp",), optimiser={"learning_rate": 2.9e-2})
    assert "within 5 % of an end of its range: MLP at 0.1 MFLOP (0.029)" in warned(tmp_path, made)


def test_failed_trials_and_seeds_give_a_warning(tmp_path):
    made = make(("mlp",), budgets=(0.1,))
    lost = [failed(record) if record.trial in (1, 2, 3) and record.kind == "trial" else record for record in made[:-1]]
    text = warned(tmp_path, [*lost, failed(made[-1])])
    assert "MLP at 0.1 MFLOP: 7 of 10 trials finished." in text
    assert "MLP at 0.1 MFLOP: 1 of 5 final runs failed." in text


def test_collapsed_trials_and_seeds_give_a_warning(tmp_path):
    made = make(("mlp",), budgets=(0.1,))
    lost = [
        collapsed(record) if record.trial in (1, 2, 3) and record.kind == "trial" else record for record in made[:-1]
    ]
    text = warned(tmp_path, [*lost, collapsed(made[-1])])
    assert "MLP at 0.1 MFLOP: 7 of 10 trials finished." in text
    assert "MLP at 0.1 MFLOP: 3 of 10 trials collapsed: they do not rank." in text
    assert "MLP at 0.1 MFLOP: 1 of 5 final runs collapsed." in text and "failed" not in text


def test_a_missing_or_failed_doubling_check_gives_a_warning_and_a_passed_one_none(tmp_path):
    made = make()
    assert "Trained for 1 epoch: no doubling check was made." in warned(tmp_path / "missing", made)
    failing = [*made, *doubled(made, lambda record: 0.01)]
    text = warned(tmp_path / "failing", failing)
    assert "twice the epochs still help 12 of 12 winners" in text and "in validation LogLoss)." in text
    assert "epochs" not in warned(tmp_path / "passed", with_check(made))


def test_trainings_that_stopped_early_under_a_falling_rate_give_a_warning(tmp_path):
    made = make(("mlp", "wukong"), budgets=(0.1,))
    early = [r.model_copy(update={"epochs": 1}) if r.kind == "final" and r.model == "mlp" else r for r in made]
    falling = {"epochs": 2, "patience": 1, "schedule": "linear"}
    text = "5 of 30 trainings stopped early by a patience of 1, before the learning rate had fallen to zero."
    for name, records, training, said in (
        ("early", early, falling, True),
        ("whole", made, falling, False),
        ("constant", early, falling | {"schedule": "constant"}, False),
    ):
        contents = findings.read(folder(tmp_path / name, records, protocol(training=training)))
        assert (text in warnings(contents, "hotel")) is said


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
