"""Reading, checking, encoding and caching data; the shipped and the local data sets match what was published."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from csv_parts import CsvParts

import datamodules
from datamodules.base import (
    MISSING,
    OOV,
    SPLITS,
    Batches,
    DataError,
    file_digest,
)

PARTS = {
    "train": "label,x,c\n1,0,a\n0,1,a\n1,,b\n0,3,\n",
    "valid": "label,x,c\n1,1,a\n0,7,never seen\n",
    "test": "label,x,c\n1,,b\n0,1,\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for split, text in PARTS.items():
        (tmp_path / f"{split}.csv").write_text(text)
    return tmp_path


def test_ids_are_oov_then_missing_then_values_by_descending_count(folder: Path) -> None:
    data = CsvParts(folder)
    assert data.cardinalities == (4,)
    train, valid, test = (np.load(data.folder / split / "sparse.npy")[:, 0].tolist() for split in SPLITS)
    a, b = 2, 3
    assert train == [a, a, b, MISSING]
    assert valid == [a, OOV]
    assert test == [b, MISSING]
    assert data.meta["oov_cells"] == {"train": 0, "valid": 1, "test": 0}


def test_dense_values_are_log_standardised_on_the_train_part_and_missing_values_flagged(folder: Path) -> None:
    data = CsvParts(folder)
    assert data.meta["dense_columns"] == ["x", "x is missing"]
    present = np.log1p([0, 1, 3])
    scaled = (present - present.mean()) / present.std()
    train = np.load(data.folder / "train" / "dense.npy")
    np.testing.assert_allclose(train, [[scaled[0], 0], [scaled[1], 0], [0, 1], [scaled[2], 0]], rtol=1e-6)
    valid = np.load(data.folder / "valid" / "dense.npy")
    np.testing.assert_allclose(valid[1, 0], (np.log1p(7) - present.mean()) / present.std(), rtol=1e-6)


@pytest.mark.parametrize(
    ("part", "text", "message"),
    [
        ("valid", "label,x,c\n1,1,a\n2,1,a\n", r"valid\.csv, line 3: label is '2'; expected 0 or 1"),
        ("train", "label,x,c\n1,1,a\nyes,1,a\n", r"train\.csv, line 3: label is 'yes'; expected 0 or 1"),
        ("train", "label,x,c\n1,1,a\n,1,a\n", r"train\.csv, line 3: label is None; expected 0 or 1"),
        ("test", "label,x,c\n1,1,a\n1,1,a\n", r"test part has only one class \(2 positives in 2 rows\)"),
        ("train", "", r"train\.csv: the file is empty"),
        ("train", "label,x,c\n", r"train\.csv: the file has no data rows"),
        ("train", "label,c\n1,a\n0,a\n", r"train\.csv: no column 'x'; it has label, c"),
        ("train", "label,x,c\n1,one,a\n0,1,a\n", r"line 2: x is 'one'; expected a finite number"),
        ("train", "label,x,c\n1,inf,a\n0,1,a\n", r"line 2: x is 'inf'; expected a finite number"),
    ],
)
def test_bad_input_is_refused_with_file_line_and_value(folder: Path, part: str, text: str, message: str) -> None:
    (folder / f"{part}.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        CsvParts(folder).prepare_data()


def test_equal_files_share_a_cache_and_a_changed_byte_gets_another(folder: Path, tmp_path: Path) -> None:
    first = CsvParts(folder)
    stamp = (first.folder / "meta.json").stat().st_mtime_ns
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("copy"))
    again = CsvParts(copy)
    assert again.folder == first.folder
    assert (again.folder / "meta.json").stat().st_mtime_ns == stamp
    (copy / "test.csv").write_text(PARTS["test"].replace("1,,b", "1,,a"))
    changed = CsvParts(copy)
    assert changed.folder != first.folder
    assert changed.fingerprint != first.fingerprint


def test_each_epoch_has_every_row_once_in_its_own_order(folder: Path) -> None:
    (folder / "train.csv").write_text("label,x,c\n" + "".join(f"{i % 2},{i},v{i}\n" for i in range(100)))
    data = CsvParts(folder, batch_size=16, seed=3)
    loader = data.train_dataloader()
    epochs = [torch.cat([sparse for _, sparse, _ in loader]).flatten().tolist() for _ in range(2)]
    assert [len(label) for _, _, label in data.train_dataloader()] == [16] * 6 + [4]
    assert len(loader) == 7
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(2, 102))
    assert epochs[0] != epochs[1]
    again = torch.cat([sparse for _, sparse, _ in CsvParts(folder, batch_size=16, seed=3).train_dataloader()])
    assert again.flatten().tolist() == epochs[0]
    other = torch.cat([sparse for _, sparse, _ in CsvParts(folder, batch_size=16, seed=4).train_dataloader()])
    assert other.flatten().tolist() != epochs[0]


def test_rows_stay_together_through_the_shuffle(folder: Path) -> None:
    data = CsvParts(folder, batch_size=3)
    rows = {
        tuple(map(float, (*dense, *sparse, label)))
        for batch in data.train_dataloader()
        for dense, sparse, label in zip(*batch, strict=True)
    }
    arrays = [np.load(data.folder / "train" / f"{kind}.npy") for kind in ("dense", "sparse", "label")]
    assert rows == {tuple(map(float, (*dense, *sparse, label))) for dense, sparse, label in zip(*arrays, strict=True)}


def test_hotel_has_the_published_rows_and_no_day_is_in_two_parts() -> None:
    data = datamodules.load("hotel")()
    assert sum(data.meta["rows"].values()) == 119_390
    assert sum(data.meta["positives"].values()) / 119_390 == pytest.approx(0.3704, abs=5e-5)
    parts = data.read()
    last_train, first_valid = parts["train"]["date"].max(), parts["valid"]["date"].min()
    assert last_train < first_valid
    assert parts["valid"]["date"].max() < parts["test"]["date"].min()
    leaks = {"reservation_status", "reservation_status_date", "assigned_room_type", "booking_changes"}
    leaks |= {"required_car_parking_spaces", "days_in_waiting_list", "is_canceled", "arrival_date_year"}
    assert not leaks & {*data.dense_fields, *data.sparse_fields}


def test_hotel_is_the_published_file() -> None:
    path = datamodules.load("hotel")().sources()[0]
    assert file_digest(path) == "19ce8a86c8f2b291276db0b31fbf3972fe8de67ff8058a56123d002c4181e35d"


def test_frappe_has_the_published_counts_and_its_title_says_that_train_is_not_the_published_file(
    frappe_folder: Path,
) -> None:
    data = datamodules.load("frappe")(frappe_folder.parent)
    assert data.meta["rows"] == {"train": 202_027, "valid": 57_722, "test": 28_860}
    positives = data.meta["positives"]
    assert (positives["valid"], positives["test"]) == (19_063, 9_536)
    assert data.meta["title"] == "Frappe_x1 (train negatives re-drawn)"
    assert data.n_dense == 0 and len(data.cardinalities) == 10


def test_frappe_from_unknown_files_does_not_carry_the_published_name(frappe_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(frappe_folder, tmp_path / "frappe_x1")
    (tmp_path / "frappe_x1" / "test.csv").write_bytes((frappe_folder / "valid.csv").read_bytes())
    assert datamodules.load("frappe")(tmp_path).meta["title"] == "Frappe_x1 (train, test not as published)"


def test_the_error_for_missing_files_says_where_it_looked_and_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"frappe_x1: no folder with train.csv.*{tmp_path}.*Hugging Face.*--data"):
        datamodules.load("frappe")(tmp_path).prepare_data()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hotels", r"no data set 'hotels'; did you mean 'hotel'\? \(avazu_x1, "),
        ("HOTEL", r"no data set 'HOTEL'; did you mean 'hotel'\? \("),
        ("frappe.Bar", r"no variant 'Bar' of frappe; did you mean 'bars'\? \(bars, clean, bars_split, rows_<number>\)"),
        ("frappe.xyz", r"no variant 'xyz' of frappe; \(bars, clean, bars_split, rows_<number>\)"),
        ("hotel.bars_split", "no data set 'hotel.bars_split'; hotel comes with its own validation part"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(name: str, message: str) -> None:
    with pytest.raises(datamodules.UnknownDataset, match=message):
        datamodules.load(name)


def test_a_device_other_than_the_cpu_holds_the_whole_part(folder: Path) -> None:
    batches = Batches(CsvParts(folder).folder / "train", 2, seed=0, device="meta")
    assert all(array.device.type == "meta" for array in batches.arrays)
