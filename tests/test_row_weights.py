"""Row weights: a row of weight 2 counts as two rows, in the loss and in every metric."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from csv_parts import CsvParts
from made_records import folder, replicated, with_check
from sklearn.metrics import log_loss, roc_auc_score
from torch import distributed
from torch.nn.functional import binary_cross_entropy_with_logits

import models
from benchmark import findings
from benchmark.findings.verdict import verdict
from benchmark.findings.warnings import warnings
from benchmark.protocol.sections import Training
from benchmark.reports.tables import tables_of
from benchmark.training.loop import train
from benchmark.training.runner import Runner
from datamodules.base import SPLITS, DataError
from models.base import CTRModel, Execution, Optimiser, Predictions

PARTS = {
    "train": "label,x,c,w\n1,0,a,2\n0,1,a,1\n1,,b,0\n0,3,,5\n",
    "valid": "label,x,c,w\n1,1,a,1\n0,7,b,0.5\n",
    "test": "label,x,c,w\n1,,b,3\n0,1,,1e3\n",
}


class Weighted(CsvParts):
    weight_field = "w"


class Grouped(Weighted):
    group_field = "c"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WUKONG_BENCH_CACHE", str(tmp_path / "cache"))


def written(folder: Path, **changed: str) -> Path:
    for split, text in (PARTS | changed).items():
        (folder / f"{split}.csv").write_text(text)
    return folder


def rows(n: int = 500, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Return logits with many ties, labels, groups and weights, some of them 0."""
    torch.manual_seed(seed)
    logit = torch.randn(n).round(decimals=1) * 2
    return logit, (torch.rand(n) < 0.3).float(), torch.randint(0, 40, (n,)).int(), torch.rand(n) * (torch.rand(n) < 0.9)


def scored(*row: torch.Tensor, batch_size: int = 7) -> dict[str, float]:
    metric = Predictions()
    for batch in zip(*(part.split(batch_size) for part in row), strict=True):
        metric.update(*batch)
    return metric.compute()


def test_batches_hold_weights_over_the_train_parts_mean(tmp_path: Path) -> None:
    data = Weighted(written(tmp_path), batch_size=10)
    assert (data.meta["weight_column"], data.meta["mean_weight"]) == ("w", 2.0)
    [(*_, weight_B)] = data.val_dataloader()
    assert weight_B.dtype == torch.float32 and weight_B.tolist() == [0.5, 0.25]
    *_, group_B, weight_B = next(iter(Grouped(tmp_path, batch_size=10).test_dataloader()))
    assert (group_B.dtype, weight_B.tolist()) == (torch.int32, [1.5, 500.0])
    train = next(iter(data.train_dataloader()))[-1]
    assert sorted(train.tolist()) == [0.0, 0.5, 1.0, 2.5] and train.mean() == 1


def test_the_fingerprint_covers_weights_and_only_weights_change_it(tmp_path: Path) -> None:
    folder = written(tmp_path)
    plain, weighted = CsvParts(folder), Weighted(folder)
    assert "weight" not in plain.rules() and "weight_column" not in plain.meta
    fingerprints = {plain.fingerprint, weighted.fingerprint}
    assert not list(plain.folder.rglob("weight.npy")) and len(next(iter(plain.val_dataloader()))) == 3
    other = Weighted(written(tmp_path, valid="label,x,c,w\n1,1,a,1\n0,7,b,0.6\n"))
    assert len({*fingerprints, other.fingerprint}) == 3
    assert CsvParts(folder).fingerprint == plain.fingerprint
    np.save(other.folder / "test" / "weight.npy", np.float32([1.5, 1.5]))
    with pytest.raises(DataError, match="fingerprint expected"):
        other.verify()


@pytest.mark.parametrize("cell", ["-1", "inf", "nan", "", "x"])
def test_a_weight_that_is_no_finite_number_from_0_is_refused_with_its_place(cell: str, tmp_path: Path) -> None:
    folder = written(tmp_path, valid=f"label,x,c,w\n1,1,a,1\n0,7,b,{cell}\n")
    with pytest.raises(DataError, match=r"valid\.csv, line 3: w is .*; expected a finite number from 0$") as refusal:
        Weighted(folder).prepare_data()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("first", "second"), [("0", "0"), ("0", "1"), ("1", "0"), ("1e308", "1e-320")])
def test_a_part_without_weight_in_both_classes_is_refused(first: str, second: str, tmp_path: Path) -> None:
    text = f"label,x,c,w\n1,1,a,{first}\n1,1,a,{first}\n0,7,b,{second}\n"
    with pytest.raises(DataError, match=r"w adds up to .* of the test part; expected two finite sums above 0"):
        Weighted(written(tmp_path, test=text)).prepare_data()


def test_metrics_match_scikit_learns_with_sample_weight() -> None:
    logit, label, group, weight = rows()
    probability = logit.double().sigmoid().numpy()
    for batch_size in (1, 7, 500):
        metrics = scored(logit, label, group, weight, batch_size=batch_size)
        assert metrics["auc"] == pytest.approx(roc_auc_score(label, logit, sample_weight=weight), abs=1e-12)
        logloss = log_loss(label, probability, sample_weight=weight.double())
        assert metrics["logloss"] == pytest.approx(logloss, abs=1e-12)
        rate = np.average(label.double(), weights=weight.double())
        entropy = log_loss(label, np.full(len(label), rate), sample_weight=weight.double())
        assert metrics["normalised_entropy"] == pytest.approx(logloss / entropy, abs=1e-12)
        assert metrics["calibration"] == pytest.approx(
            np.average(probability, weights=weight.double()) / rate, abs=1e-12
        )
        areas, sizes = [], []
        for g in group.unique():
            own = (group == g) & (weight > 0)
            if len(label[own].unique()) == 2:
                areas.append(roc_auc_score(label[own], logit[own], sample_weight=weight[own]))
                sizes.append(weight[own].double().sum())
        assert metrics["gauc"] == pytest.approx(np.average(areas, weights=sizes), abs=1e-12)


def test_whole_weights_are_repeated_rows() -> None:
    logit, label, group, _ = rows()
    times = torch.randint(0, 4, (len(label),))
    repeated = scored(*(part.repeat_interleave(times) for part in (logit, label, group)))
    weighted = scored(logit, label, group, times.float())
    assert weighted == pytest.approx(repeated, abs=1e-12)


def test_ties_end_at_the_end_of_a_group() -> None:
    label, group = torch.tensor([0.0, 1, 1, 0, 1, 0]), torch.tensor([0, 0, 0, 1, 1, 1])
    logit = torch.tensor([0.0, 1, 1, 1, 1, 2])  # the last score of group 0 is the first of group 1
    gauc = scored(logit, label, group, torch.tensor([1.0, 1, 1, 2, 1, 2]))["gauc"]
    assert gauc == pytest.approx((3 * 1 + 5 * (2 * 0.5) / 4) / 8, abs=1e-12)


def test_equal_weights_change_no_metric() -> None:
    logit, label, group, _ = rows()
    assert scored(logit, label, group, torch.full_like(label, 0.3)) == pytest.approx(scored(logit, label, group))


def test_a_class_without_weight_has_no_auc() -> None:
    logit, label, group, weight = rows()
    for only in (0, 1):
        with pytest.raises(ValueError, match=f"AUC needs both classes; all 500 labels are {only}"):
            scored(logit, label, group, weight * (label == only))


def mlp() -> CTRModel:
    torch.manual_seed(0)
    model_class = models.load("mlp")
    model = model_class(model_class.Config(embedding_dim=4, hidden=(8,)), 1, [7])
    model.configure_optimizers()
    return model


@pytest.mark.parametrize("grouped", [False, True])
def test_the_loss_and_its_gradients_are_the_weighted_mean(grouped: bool) -> None:
    _, label_B, group_B, weight_B = rows(40)
    inputs = torch.randn(40, 1), torch.randint(0, 7, (40, 1)), label_B
    batch = (*inputs, *([group_B] if grouped else []), weight_B)
    ours, plain = mlp(), mlp()
    Execution().loss(ours, batch).backward()  # type: ignore[no-untyped-call]
    logit_B = plain(*inputs[:2])
    loss_B = -(label_B * logit_B.sigmoid().log() + (1 - label_B) * (1 - logit_B.sigmoid()).log())
    (weight_B * loss_B).sum().div(40).backward()  # type: ignore[no-untyped-call]
    for mine, other in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad.to_dense(), other.grad.to_dense(), rtol=1e-5, atol=1e-8)  # type: ignore[union-attr]


def test_a_rank_has_its_share_of_the_weighted_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    _, label_B, _, weight_B = rows(41)
    batch = torch.randn(41, 1), torch.randint(0, 7, (41, 1)), label_B, weight_B
    model, losses = mlp(), []
    monkeypatch.setattr(distributed, "get_world_size", lambda: 2)
    for rank in range(2):
        monkeypatch.setattr(distributed, "get_rank", lambda rank=rank: rank)
        monkeypatch.setattr(distributed, "is_initialized", lambda: True)
        losses.append(model._loss_of_ranks(batch))
        monkeypatch.setattr(distributed, "is_initialized", lambda: False)
    torch.testing.assert_close(torch.stack(losses).mean(), Execution().loss(model, batch))


def test_groups_alone_leave_the_loss_as_it_is() -> None:
    _, label_B, group_B, _ = rows(40)
    inputs = torch.randn(40, 1), torch.randint(0, 7, (40, 1)), label_B
    expected = binary_cross_entropy_with_logits(mlp()(*inputs[:2]), label_B)
    assert Execution().loss(mlp(), inputs).equal(expected) and Execution().loss(mlp(), (*inputs, group_B)).equal(
        expected
    )


def test_a_batch_without_any_weight_moves_nothing() -> None:
    model, before = mlp(), mlp()
    model.step((torch.randn(6, 1), torch.randint(0, 7, (6, 1)), torch.ones(6), torch.zeros(6)))
    assert all(a.equal(b) for a, b in zip(model.parameters(), before.parameters(), strict=True))


def test_a_training_reports_weighted_metrics(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    texts = {}
    for split in SPLITS:
        lines = [f"{rng.integers(2)},{rng.normal():.3f},{rng.choice(['a', 'b'])},{rng.integers(9)}" for _ in range(200)]
        texts[split] = "label,x,c,w\n" + "\n".join(lines) + "\n"
    data = Grouped(written(tmp_path, **texts), batch_size=64)
    model_class = models.load("mlp")
    config = model_class.Config(embedding_dim=4, hidden=(8,))
    for source in (data, CsvParts(tmp_path, batch_size=64)):
        outcome = train(model_class, config, Optimiser(), source, Training(), seed=1, test=True)
        assert outcome.test is not None and ("gauc" in outcome.test) == (source is data)
    assert data.verify()[-1].endswith("unchanged since encoding")


def test_predictions_are_kept_only_where_rows_have_no_weights(tmp_path: Path) -> None:
    kept: list[int] = []

    def keep(seed: int, logits: object, labels: object) -> str:
        kept.append(seed)
        return "hash"

    ledger = SimpleNamespace(keep_predictions=keep)
    for data, expected in ((Grouped, None), (CsvParts, "hash")):
        runner: Any = SimpleNamespace(data=data(tmp_path), ledger=ledger)
        assert Runner._kept(runner, 7, np.zeros(2, np.float32), np.zeros(2, np.uint8)) == expected
    assert kept == [7]


def test_reports_say_that_metrics_are_weighted(tmp_path: Path) -> None:
    made, small = with_check(replicated()), {"rows": {"test": 1000}}
    weighted = findings.read(folder(tmp_path / "w", made, facts={"weight_column": "cost", **small}))
    plain = findings.read(folder(tmp_path / "p", made, facts=small))
    note = "Metrics are weighted by cost; the intervals do not hold the noise of the test rows."
    assert note in warnings(weighted, "hotel") and note not in warnings(plain, "hotel")
    assert not [text for text in warnings(weighted, "hotel") if "missing" in text]
    assert "the noise of the test rows is unknown: metrics are weighted" in verdict(weighted, "hotel").sentence
    for table in tables_of(weighted, "hotel"):
        assert "metrics weighted by cost" in table.subject
