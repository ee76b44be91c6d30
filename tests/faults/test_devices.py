"""One model trained by two processes: the metrics of one up to float error, even where batches do not divide evenly."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import study

from benchmark.records import predictions
from benchmark.training.ranks import Ranks
from benchmark.tuning import tuner
from models.base import CTRModel

UNEVEN = {"batch_size": 513, "train_rows": 4105}  # the last batch has one row, so one rank gets none


def test_two_gloo_processes_give_the_metrics_of_one_up_to_float_error(tmp_path: Path) -> None:
    search = {"trials": 2, "embedding_l2": [1e-5]}
    one = study(tmp_path / "one", training=UNEVEN, search=search, final={"seeds": [1]})
    two = replace(study(tmp_path / "two", training=UNEVEN, search=search, final={"seeds": [1]}), devices=2)
    tuner.run(one)
    tuner.run(two)
    assert [r.devices for r in two.records()] == [2, 2, 2]
    for mine, theirs in zip(two.records(), one.records(), strict=True):
        assert (mine.status, mine.config, mine.steps, mine.examples) == (
            "complete",
            theirs.config,
            theirs.steps,
            theirs.examples,
        )
        for part in ("valid", "test"):
            metrics, reference = getattr(mine, part), getattr(theirs, part)
            assert metrics == (None if reference is None else pytest.approx(reference, rel=2e-5)), part
        assert (mine.predictions is None) == (mine.kind != "final")
        assert mine.history[0]["train_loss"] == pytest.approx(theirs.history[0]["train_loss"], rel=1e-5)

    seed = one.records()[-1].seed
    files = [predictions.prediction_file(s.results, s.dataset, s.model, s.budget, seed) for s in (one, two)]
    (logit_N, label_N), (logit_of_two_N, label_of_two_N) = map(predictions.read, files)
    np.testing.assert_array_equal(label_of_two_N, label_N)  # rows are in file order
    np.testing.assert_allclose(logit_of_two_N, logit_N, rtol=1e-3, atol=1e-5)


def test_batch_norm_trains_on_two_devices_when_a_last_batch_leaves_one_of_them_a_single_row(tmp_path: Path) -> None:
    uneven = {"batch_size": 512, "train_rows": 4099}  # three rows are left over
    search = {"trials": 1, "blocks": 1, "normalisation": ["batch"]}
    both = replace(study(tmp_path, training=uneven, search=search, final={"seeds": [1]}), devices=2)
    tuner.run(both)
    assert [(r.status, r.error, r.steps) for r in both.records()] == [("complete", None, 8)] * 2


def test_two_processes_prune_as_one_does(tmp_path: Path) -> None:
    training = {"batch_size": 512, "train_rows": 4096, "epochs": 3, "patience": 3}
    rule = {"pruner": "percentile", "prune_from": 1, "prune_after": 1, "prune_keep": 0.5}
    search = {"trials": 4, "sampler": "random", "learning_rate": [1e-4, 1e-1], **rule}
    one, two = (study(tmp_path / name, training=training, search=search, final={"seeds": [1]}) for name in ("1", "2"))
    tuner.run(one)
    tuner.run(replace(two, devices=2))
    ends = [[(r.kind, r.trial, r.status, r.epochs) for r in pruned.records()] for pruned in (one, two)]
    assert ends[0] == ends[1] and "pruned" in {status for _, _, status, _ in ends[0]}


def _rows(n_rows: int) -> list[int]:
    label_B = torch.arange(n_rows)
    return CTRModel.shard((label_B, label_B, label_B))[2].tolist()


def _rows_of_all(n_rows: int) -> list[list[int]]:
    found: list[list[int]] = [[], []]
    torch.distributed.all_gather_object(found, _rows(n_rows))
    return found


def test_ranks_get_each_row_of_an_uneven_batch_once_and_a_failing_rank_ends_the_group() -> None:
    ranks = Ranks(2, "cpu", 60.0)
    assert ranks(_rows_of_all, 5) == [[0, 2, 4], [1, 3]]
    assert ranks(_rows_of_all, 1) == [[0], []]
    with pytest.raises(ZeroDivisionError):
        ranks(_fail_in_rank_1)
    assert ranks.closed


def _fail_in_rank_1() -> None:
    if torch.distributed.get_rank() == 1:
        raise ZeroDivisionError
    torch.distributed.barrier()  # would block forever if the group were not ended


def test_a_variant_trains_on_two_devices_though_its_config_class_is_made_where_it_is_asked_for(tmp_path: Path) -> None:
    search = {"trials": 1, "blocks": 1}
    both = study(
        tmp_path, "wukong.no_lcb", training={"batch_size": 512, "train_rows": 4096}, search=search, final={"seeds": [1]}
    )
    tuner.run(replace(both, devices=2))
    assert [(r.status, r.error) for r in both.records()] == [("complete", None)] * 2
