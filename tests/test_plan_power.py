"""`plan` says which difference a protocol will be able to show, from recorded noise or from stated estimates."""

import numpy as np
import pytest
from made_records import folder, make, protocol, replicated, with_predictions

from benchmark import findings
from benchmark.execution.planning.detectable import ESTIMATES, differences
from benchmark.findings.noise import components
from benchmark.statistics import detectable

SEEDS = len(protocol().final.seeds)


def stated(path, **changes) -> str:
    (sentence,) = differences(protocol(**{"search": {"blocks": 4}, **changes}), path)
    return sentence


def expected(search: float, seed: float, seeds: int, *, averaged: bool, rows: float = 0.0) -> float:
    noise = {"search": search, "seed": seed, "rows": rows}
    return detectable(blocks=4, models=4, budgets=3, seeds=seeds, averaged=averaged, **noise)


def test_without_records_the_estimates_of_the_data_set_decide(tmp_path):
    column, mean = (expected(*ESTIMATES["hotel", "logloss"], SEEDS, averaged=averaged) for averaged in (False, True))
    text = stated(tmp_path)
    assert f"hotel: two of 4 models are told apart with 80 % power if they differ by {column:.4f} in LogLoss" in text
    assert f"{mean:.4f} in LogLoss in the mean over 3 budgets, by estimates (search 0.0025, seed 0.0085" in text
    assert mean < column


def test_for_other_data_or_metrics_the_difference_is_in_standard_deviations_of_a_block(tmp_path):
    text = stated(tmp_path, training={"monitor": "auc"})
    assert f"{expected(1.0, 0.0, SEEDS, averaged=False):.1f} standard deviations of a block at one budget" in text
    assert "not known" in text


def test_noise_recorded_in_the_folder_goes_before_estimates_and_counts_test_rows(tmp_path):
    made = replicated(noise=2e-3, seeds=(1, 2, 3), models=("mlp", "dlrm", "dcnv2", "wukong"))
    text = stated(folder(tmp_path / "plain", made))
    contents = findings.read(tmp_path / "plain")
    noise = components(contents.runs, "logloss", None)
    assert f"{expected(noise.search, noise.seed, SEEDS, averaged=False):.4f} in LogLoss" in text
    assert "by the noise recorded here; test rows not counted" in text
    predicted = with_predictions(tmp_path / "rows", make(blocks=4, seeds=(1, 2)), disagreement=0.5)
    assert "by the noise recorded here and test rows" in stated(folder(tmp_path / "rows", predicted))


def test_recorded_noise_is_taken_apart_into_search_and_seed(tmp_path):
    made = replicated(noise=4e-3, seeds=range(1, 5), blocks=12, budgets=[0.1 * 4.0**i for i in range(6)], trials=1)
    noise = components(findings.read(folder(tmp_path, made)).runs, "logloss", None)
    assert noise.search == pytest.approx(4e-3, rel=0.15) and noise.seed == pytest.approx(2e-3, rel=0.1)


def test_the_variance_of_a_difference_by_rows_is_that_of_models_at_one_budget(tmp_path):
    contents = findings.read(folder(tmp_path, replicated(("mlp", "dlrm"))))
    studies = [("mlp", 0.1), ("dlrm", 0.1), ("mlp", 0.4)]
    covariance = np.array([[4.0, 1.0, 9.0], [1.0, 5.0, 9.0], [9.0, 9.0, 9.0]])
    assert components(contents.runs, "auc", (studies, covariance)).rows == 4 + 5 - 2 * 1


def test_one_search_or_one_model_can_tell_nothing_apart(tmp_path):
    assert "nothing can be told apart; set search.blocks to 4" in stated(tmp_path, search={"blocks": 1})
    assert "nothing to tell apart" in stated(tmp_path, models=["mlp"])
    assert "Two blocks are few" in stated(tmp_path, search={"blocks": 2})


def test_the_planned_difference_is_found_as_often_as_stated_and_without_one_nothing_is(tmp_path):
    """A lead of what `plan` names, planted in records with the noise that it assumes."""
    search, seed = 2e-3, 1e-3
    lead = detectable(blocks=4, models=4, budgets=3, search=search, seed=seed, seeds=2, averaged=True)
    found = {"lead": 0, "none": 0}
    generator = np.random.default_rng(5)
    for draw in range(12):
        for name, difference in (("lead", lead), ("none", 0.0)):
            path = tmp_path / f"{name}{draw}"
            decided = findings.read(folder(path, planted(generator, difference, search, seed))).decision("hotel")
            others = [s for s in decided.standings if s.model != "wukong"]
            best = decided.standings[0].model == "wukong"
            found[name] += best and not any(s.possible for s in others)
    assert found["none"] <= 1 and found["lead"] >= 6, found


def planted(generator: np.random.Generator, lead: float, search: float, seed: float) -> list:
    made = make(blocks=4, seeds=(1, 2), trials=1)
    luck = {(r.model, r.budget, r.block): generator.normal(0, search) for r in made}
    return [
        r.model_copy(
            update={
                "test": {
                    "auc": 0.75,
                    "logloss": 0.43
                    - (lead if r.model == "wukong" else 0)
                    + luck[r.model, r.budget, r.block]
                    + generator.normal(0, seed),
                }
            }
        )
        for r in made
        if r.kind == "final"
    ]
