"""The generated data sets follow their stated laws, and their bounds follow from the laws, for any number of rows."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

import datamodules
from datamodules import UnknownDataset
from datamodules._synthetic import CLICK_RATE, PROBABILITIES, ROWS, Block, Generated, Laddered
from datamodules._synthetic_bounds import logistic_regression
from datamodules.base import SPLITS, CTRDataModule, DataError
from datamodules.synthetic import VARIANCES
from datamodules.synthetic_pairwise import SyntheticPairwise

FINGERPRINT = "c10ed96fb9e523cd"  # of `synthetic`, in all records since 0.1
LADDERED = ("synthetic", "synthetic_pairwise")
ALL = (*LADDERED, "synthetic_teacher")


def generated(name: str) -> Generated:
    data = datamodules.load(name)()
    assert isinstance(data, Generated)
    return data


@pytest.fixture(scope="module", params=ALL)
def data(request: pytest.FixtureRequest) -> Generated:
    return generated(request.param)


@pytest.fixture(scope="module")
def test_part(data: Generated) -> Block:
    return data.block("test")


@pytest.fixture(scope="module", params=LADDERED)
def laddered(request: pytest.FixtureRequest) -> Laddered:
    data = generated(request.param)
    assert isinstance(data, Laddered)
    return data


@pytest.fixture(scope="module")
def terms(laddered: Laddered) -> dict[int, np.ndarray]:
    return laddered.planted.terms(laddered.block("test").values)


def test_the_terms_of_every_planted_order_have_zero_mean_and_unit_variance(terms: dict[int, np.ndarray]) -> None:
    for order, term_RK in terms.items():
        assert term_RK.shape[1] >= 1
        # a product's fourth moment grows with its order, and so does the noise of its variance
        assert np.abs(term_RK.mean(0)).max() < 0.02
        assert np.abs(term_RK.var(0) - 1).max() < 0.03 * order**1.5


def test_terms_are_uncorrelated(terms: dict[int, np.ndarray]) -> None:
    all_terms = np.hstack(list(terms.values()))
    correlation = np.corrcoef(all_terms.T) - np.eye(all_terms.shape[1])
    assert np.abs(correlation).max() < 0.025


def test_the_logit_is_the_weighted_sum_of_the_terms(laddered: Laddered, terms: dict[int, np.ndarray]) -> None:
    logit_R = laddered.block("test").logit_R
    all_terms = np.hstack([np.ones((len(logit_R), 1)), *terms.values()])
    weights, residual, *_ = np.linalg.lstsq(all_terms, logit_R, rcond=None)
    assert residual < 1e-15 * len(logit_R)
    start, total = 1, 0.0
    for order, term_RK in terms.items():
        own = weights[start : start + term_RK.shape[1]]
        np.testing.assert_allclose(own**2, (laddered.planted.weight[order][0]) ** 2)
        start, total = start + len(own), total + (own**2).sum()
    assert total == pytest.approx(2.0)


def test_the_planted_orders_of_synthetic_have_their_stated_variances() -> None:
    data = generated("synthetic")
    assert isinstance(data, Laddered)
    assert {order: (w**2).sum() for order, w in data.planted.weight.items()} == pytest.approx(VARIANCES)


def test_no_table_of_pairs_holds_an_effect_of_one_field_and_none_is_a_product_of_small_embeddings() -> None:
    data = generated("synthetic_pairwise")
    assert isinstance(data, SyntheticPairwise)
    effects = data.planted.terms.args[0]  # type: ignore[attr-defined]
    n_fields = len(data.sparse_fields) + len(data.dense_fields)
    assert len(effects) == n_fields * (n_fields - 1) / 2
    for (f, g), effect in effects.items():
        if g < len(PROBABILITIES):
            p, q = PROBABILITIES[f], PROBABILITIES[g]
            assert np.abs(p @ effect).max() < 1e-12 and np.abs(effect @ q).max() < 1e-12
            assert p @ effect**2 @ q == pytest.approx(1)
    assert np.linalg.matrix_rank(effects[6, 7]) == 47


def test_the_teacher_has_effects_of_single_fields_and_much_that_they_do_not_explain() -> None:
    test = generated("synthetic_teacher").block("test")
    columns = pl.DataFrame({f"c{i}": ids for i, ids in enumerate(test.values.ids)}).to_dummies()
    x = np.hstack([columns.to_numpy(), test.values.z_RF[:, len(test.values.ids) :]])
    fitted = x @ np.linalg.lstsq(x, test.logit_R, rcond=None)[0]
    explained = 1 - (test.logit_R - fitted).var() / test.logit_R.var()
    assert 0.3 < explained < 0.9
    assert test.logit_R.var() == pytest.approx(2, rel=0.03)


def test_labels_follow_the_logit(test_part: Block) -> None:
    assert test_part.label_R.mean() == pytest.approx(CLICK_RATE, abs=0.005)
    p = expit(test_part.logit_R)
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1)):
        inside = (p >= low) & (p < high)
        noise = 4 * np.sqrt((p[inside] * (1 - p[inside])).mean() / inside.sum())
        assert abs(test_part.label_R[inside].mean() - p[inside].mean()) < noise


def test_bounds_agree_with_scikit_learn(data: Generated, test_part: Block) -> None:
    bayes = data.meta["bounds"]["Bayes"]
    assert bayes["auc"] == pytest.approx(roc_auc_score(test_part.label_R, test_part.logit_R), abs=1e-7)
    assert bayes["logloss"] == pytest.approx(log_loss(test_part.label_R, expit(test_part.logit_R)), abs=1e-9)


def test_each_rung_of_the_ladder_is_better_than_the_last_and_the_top_one_equals_bayes(laddered: Laddered) -> None:
    bounds = list(laddered.meta["bounds"].values())
    for lower, higher in pairwise(bounds[:-1]):
        assert higher["auc"] > lower["auc"] + 0.02
        assert higher["logloss"] < lower["logloss"] - 0.02
    assert bounds[-2]["logloss"] == pytest.approx(bounds[-1]["logloss"], abs=2e-4)


def test_diagnose_recovers_the_planted_share_of_each_order(laddered: Laddered) -> None:
    share_R = laddered.planted.shares(laddered.block("test").values)
    draw = np.random.default_rng(0).normal(size=len(share_R[1]))
    planted = {order: 0.5 * (i % 3) for i, order in enumerate(share_R, start=1)}
    mixed = 0.3 + sum(share * share_R[order] for order, share in planted.items()) + 0.1 * draw
    recovered = laddered.diagnose(mixed.astype(np.float32))
    for order, share in planted.items():
        noise = 4 * 0.1 / (share_R[order].std() * np.sqrt(len(draw)))
        assert recovered.pop(f"recovered_order_{order}") == pytest.approx(share, abs=noise)
    assert recovered == {}


def test_test_batches_come_in_the_row_order_of_the_true_labels(data: Generated, test_part: Block) -> None:
    labels = np.concatenate([batch[2].numpy() for batch in data.test_dataloader()])
    np.testing.assert_array_equal(labels, test_part.label_R)


def test_newtons_logistic_regression_equals_scikit_learns() -> None:
    draw = np.random.default_rng(0)
    x_RK = draw.normal(size=(2000, 3))
    label_R = draw.random(2000) < expit(x_RK @ [1, -2, 0.5] + 0.3)
    fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(x_RK, label_R)
    np.testing.assert_allclose(logistic_regression(x_RK, label_R), [*fitted.intercept_, *fitted.coef_[0]], atol=1e-5)


def test_the_observed_frame_has_only_label_and_fields_with_a_tenth_of_dense_values_missing(data: Generated) -> None:
    frame = data.block("train").frame
    assert set(frame.columns) == {"label", *data.dense_fields, *data.sparse_fields}
    assert frame["x0"].is_nan().mean() == pytest.approx(0.1, abs=0.01)
    assert data.meta["dense_columns"] == ["x0", "x0 is missing", "x1", "x1 is missing"]


def test_synthetic_is_bit_for_bit_the_set_of_all_records_since_0_1() -> None:
    assert generated("synthetic").fingerprint == FINGERPRINT


@pytest.mark.slow
def test_a_set_starts_with_the_rows_of_a_smaller_one_and_shares_its_other_parts() -> None:
    few, one, more = (raw_rows(datamodules.load(f"synthetic.rows_{n}")()) for n in (1000, 600_000, 650_000))
    for split in SPLITS:
        assert few[split].equals(one[split].head(1000) if split == "train" else one[split])
        assert one[split].equals(more[split].head(600_000) if split == "train" else more[split])
    assert [len(rows["train"]) for rows in (few, one, more)] == [1000, 600_000, 650_000]


def raw_rows(data: CTRDataModule) -> dict[str, pl.DataFrame]:
    """Return the parts as encoded: the values behind the ids and the labels; dense values depend on the set's scale."""
    vocabulary = pl.read_parquet(data.folder / "vocabulary.parquet")
    parts = {}
    for split in SPLITS:
        ids, label = (np.load(data.folder / split / f"{kind}.npy") for kind in ("sparse", "label"))
        columns = {"label": label}
        for i, name in enumerate(data.sparse_fields):
            own = vocabulary.filter(pl.col("field") == name)
            value_of = np.full(own["id"].max() + 1, -1)
            value_of[own["id"]] = own["value"].cast(pl.Int64)
            columns[name] = value_of[ids[:, i]]
        parts[split] = pl.DataFrame(columns)
    return parts


def test_blocks_of_a_part_are_different_rows() -> None:
    data = generated("synthetic")
    first, second = (data.block("train", number).frame for number in (0, 1))
    assert len(first) == len(second) == ROWS["train"]
    assert np.mean(first["c7"].to_numpy() == second["c7"].to_numpy()) < 0.2
    assert np.mean(first["x0"].to_numpy() == second["x0"].to_numpy()) < 1e-5


def test_fewer_rows_by_the_name_or_by_the_protocol_are_the_same_rows_of_two_sets() -> None:
    by_name, by_protocol = generated("synthetic.rows_1000"), datamodules.load("synthetic")(train_rows=1000)
    assert by_name.fingerprint == by_protocol.fingerprint
    assert (by_name.meta["title"], by_protocol.meta["title"]) == ("Synthetic, 1,000 train rows", "Synthetic")
    assert datamodules.load("synthetic.rows_1000")(train_rows=500).meta["rows"]["train"] == 500


def test_a_set_that_comes_as_files_gives_its_first_rows_and_no_more() -> None:
    hotel, part = datamodules.load("hotel")(), datamodules.load("hotel.rows_5000")()
    assert part.meta["rows"] == {**hotel.meta["rows"], "train": 5000}
    assert part.meta["title"] == f"{hotel.meta['title']}, 5,000 train rows"
    most = hotel.meta["rows"]["train"]
    with pytest.raises(DataError, match=f"name asks for {most + 1:,} train rows; there are {most:,}"):
        _ = datamodules.load(f"hotel.rows_{most + 1}")().meta


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("synthetic.rows_32000001", "synthetic has at most 32,000,000 train rows"),
        ("synthetic.rows_0", r"no variant 'rows_0' of synthetic; .*rows_<number>"),
        ("synthetic.rows_1e6", "no variant 'rows_1e6'"),
        ("synthetic.row_1000", "no variant 'row_1000'"),
        ("synthetic.rows_10.rows_20", "more than one number of train rows"),
    ],
)
def test_a_number_of_rows_that_cannot_be_is_rejected(name: str, message: str) -> None:
    with pytest.raises(UnknownDataset, match=message):
        datamodules.load(name)


@pytest.mark.slow
def test_four_times_the_rows_need_no_more_memory_to_generate_and_encode(tmp_path: Path) -> None:
    program = (
        "import resource, sys, datamodules; datamodules.load(sys.argv[1])().prepare_data(); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    environment = {**os.environ, "WUKONG_BENCH_CACHE": str(tmp_path)}
    peak = {
        rows: int(
            subprocess.run(
                [sys.executable, "-c", program, f"synthetic.rows_{rows}"],
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for rows in (600_000, 2_400_000)
    }
    assert peak[2_400_000] < 1.15 * peak[600_000]
