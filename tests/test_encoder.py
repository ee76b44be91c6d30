"""Rows that a data set has never seen are encoded as it encoded its own; the oracle is the arrays in its cache."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import datamodules
from datamodules.base import MISSING, OOV, CTRDataModule, DataError, Frozen, Sequence, twins
from datamodules.base.encoder import Encoder, encoder_of
from datamodules.base.fields import sources
from datamodules.base.vectors import write_vectors

RESULTS = Path(__file__).parents[1] / "results"
TWINS = [
    "kuaivideo_x1",  # sequences, a frozen field, a group
    "kuaivideo_x1.clean",
    "microvideo1_7m_x1.clean",  # a sequence that reads only a frozen table
    "taobaoad_x1.clean",
    "avazu_x4_001",  # derived fields
    "avazu_x4_001.clean",
    "criteo_x4_001",  # fill values
    "criteo_x4_001.clean",
    "criteo_terabyte",
]


def encoded_again(data: CTRDataModule, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Encode the raw rows of a part, their columns in another order."""
    encoder, parts = encoder_of(data), []
    for source in sources(data.read()[split]):
        for rows in source.batches():
            parts.append(encoder.encode(rows.select(sorted(rows.columns, reverse=True)), str))
    dense, sparse = zip(*parts, strict=True)
    return np.concatenate(dense), np.concatenate(sparse)


def check_all_parts(data: CTRDataModule) -> None:
    for split in ("train", "valid", "test"):
        dense, sparse = encoded_again(data, split)
        assert dense.dtype == np.float32 and sparse.dtype == np.int32
        np.testing.assert_array_equal(dense, np.load(data.folder / split / "dense.npy"))
        np.testing.assert_array_equal(sparse, np.load(data.folder / split / "sparse.npy"))


@pytest.mark.parametrize("name", ["hotel", "hotel.bars"])
def test_the_rows_of_a_shipped_set_are_encoded_to_its_arrays(name: str) -> None:
    check_all_parts(datamodules.load(name)())


@pytest.mark.parametrize("name", TWINS)
def test_the_rows_of_every_kind_of_set_are_encoded_to_its_arrays(name: str, tmp_path: Path) -> None:
    dataset = datamodules.load(name)
    twins.write(dataset.layout(), tmp_path, 1500)
    check_all_parts(dataset(tmp_path))


def test_a_value_that_occurs_only_in_a_frozen_sequence_is_unseen_not_rare(tmp_path: Path) -> None:
    """The column's texts are shared, its counts are not."""

    class Clicks(CTRDataModule):
        title, licence, citation = "Clicks", "", ""
        sparse_fields = ("item",)
        frozen_fields = {"cover": Frozen("item", "vectors.h5")}
        sequence_fields = {"seen": Sequence(2, "cover", "history")}
        min_count = 2

        def sources(self) -> list[Path]:
            return [tmp_path / "vectors.h5"]

        def read(self) -> dict[str, pl.DataFrame]:
            columns = {"item": ["a", "a", "b", "z"], "history": ["z", "a^z", "b", None], "label": [0, 1, 0, 1]}
            rows = pl.DataFrame(columns)
            return {"train": rows[:3], "valid": rows, "test": rows}

    write_vectors(tmp_path / "vectors.h5", np.arange(2), np.ones((2, 3)))
    check_all_parts(Clicks())


def test_fitting_the_encoder_leaves_fingerprint_and_cache_folder_as_they_were() -> None:
    """The fingerprint is that of the committed results, which an earlier version encoded."""
    data = datamodules.load("hotel")()
    before = (data.folder / "meta.json").read_bytes()
    encoder_of(data)
    committed = json.loads((RESULTS / "hotel" / "datasets" / "hotel.json").read_text(encoding="utf-8"))
    assert datamodules.load("hotel")().fingerprint == committed["fingerprint"]
    assert (data.folder / "meta.json").read_bytes() == before
    assert data.verify()[-1].endswith("unchanged since encoding")


def hotel() -> tuple[CTRDataModule, Encoder, pl.DataFrame]:
    data = datamodules.load("hotel")()
    return data, encoder_of(data), data.read()["test"]


def test_unseen_missing_and_rare_values_get_the_documented_ids() -> None:
    data, encoder, test = hotel()
    agents = data.read()["train"]["agent"].cast(pl.String).drop_nulls().value_counts()
    rare = agents.filter(pl.col("count") < data.min_count)["agent"].sort()[0]
    most = agents.sort("count", "agent", descending=[True, False])["agent"][0]
    rows = test.head(5).with_columns(pl.Series("agent", ["never", None, "", rare, most]))
    agent = encoder.encode(rows, str)[1][:, data.sparse_fields.index("agent")]
    last = data.rows_of_tables()[data.sparse_fields.index("agent")] - 1
    assert agent.tolist() == [OOV, MISSING, MISSING, last, 2]


def test_a_missing_number_is_the_mean_and_a_column_that_is_not_there_is_missing_everywhere() -> None:
    _, encoder, test = hotel()
    rows = test.head(3).with_columns(adr=pl.lit(None, pl.Float64))
    dense, sparse = encoder.encode(rows, str)
    assert (dense[:, list(encoder.rules.dense).index("adr")] == 0).all()
    without = encoder.encode(rows.drop("adr"), str)
    np.testing.assert_array_equal(dense, without[0])
    np.testing.assert_array_equal(sparse, without[1])
    _, sparse = encoder.encode(rows.drop("agent"), str)
    assert (sparse[:, list(encoder.rules.tables).index("agent")] == MISSING).all()


def test_flagged_fields_have_a_second_column_for_missing_values(tmp_path: Path) -> None:
    dataset = datamodules.load("criteo_kaggle")
    twins.write(dataset.layout(), tmp_path, 1500)
    data = dataset(tmp_path)
    encoder = encoder_of(data)
    flagged = [name for name, rule in encoder.rules.dense.items() if rule.flagged]
    assert [f"{name} is missing" for name in flagged] == [c for c in data.meta["dense_columns"] if "missing" in c]
    dense, _ = encoder.encode(pl.DataFrame({"other": [1, 2]}), str)
    assert dense.sum() == 2 * len(flagged) > 0


@pytest.mark.parametrize("value", ["inf", "nan", "many"])
def test_a_number_that_is_not_finite_is_refused_with_its_place(value: str) -> None:
    _, encoder, test = hotel()
    rows = test.head(3).with_columns(pl.Series("adr", ["1.5", value, None]))
    with pytest.raises(DataError, match=rf"row 8: adr is '{value}'; expected a finite number"):
        encoder.encode(rows, lambda row: f"row {row}", first=7)


def test_a_value_that_a_derived_field_refuses_is_named(tmp_path: Path) -> None:
    dataset = datamodules.load("avazu_x4_001")
    twins.write(dataset.layout(), tmp_path, 300)
    encoder = encoder_of(dataset(tmp_path))
    with pytest.raises(DataError, match="row 1: hour is '14139900'; expected an hour as YYMMDDHH"):
        encoder.encode(pl.DataFrame({"hour": ["14102100", "14139900"]}), lambda row: f"row {row}")


def test_a_vocabulary_of_other_tables_is_refused() -> None:
    _, encoder, _ = hotel()
    for wrong in (0, 10**6):
        vocabulary = encoder.vocabulary.with_columns(id=pl.lit(wrong, pl.Int32))
        with pytest.raises(ValueError, match="does not fit its table"):
            Encoder(encoder.rules, vocabulary, {})


def test_a_damaged_encoder_is_one_line_that_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WUKONG_BENCH_CACHE", str(tmp_path / "cache"))
    dataset = datamodules.load("avazu_x4_001.clean")
    twins.write(dataset.layout(), tmp_path, 300)
    data = dataset(tmp_path)
    folder = data.folder / "encoder-1"
    encoder_of(data)
    for name in ("rules.json", "vocabulary.parquet"):
        kept = (folder / name).read_bytes()
        (folder / name).write_bytes(kept[: len(kept) // 2])
        with pytest.raises(DataError, match=r"encoder-1: damaged .*remove the folder and rerun") as raised:
            encoder_of(data)
        assert "\n" not in str(raised.value)
        (folder / name).write_bytes(kept)
    encoder_of(data)


def test_raw_rows_of_a_users_file_are_field_columns_unless_a_set_prepares_them() -> None:
    data, _, test = hotel()
    assert data.prepare(test.lazy()).collect().equals(test)
