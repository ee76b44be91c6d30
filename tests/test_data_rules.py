"""The two rule sets: hand-made rows that cover every case, a plain Python version of the rules, and published sums."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import datamodules
from datamodules.base import Derived, Fields, Sequence, Source
from datamodules.base.encode import SPLITS, encode
from datamodules.base.fields import Encoding
from datamodules.criteo_x4_001 import bucket


def encoded(folder: Path, parts: dict[str, dict[str, list[str | None]]], fields: Fields) -> dict[str, np.ndarray]:
    sources = {split: [Source(pl.LazyFrame(columns))] for split, columns in parts.items()}
    encode(folder, sources, fields, "hand-made rows")
    return {split: np.load(folder / split / "sparse.npy") for split in SPLITS}


def every_case(column: str) -> dict[str, dict[str, list[str | None]]]:
    """Frequent, seen twice, seen once, zero and missing in train; known, rare, unseen, zero and missing in valid and test."""
    train = ["a", "a", "a", "b", "b", "rare", "0", "0", "", None]
    later = ["b", "rare", "unseen", "0", ""]
    return {
        "train": {"label": list("1010101010"), column: train},
        "valid": {"label": list("10101"), column: later},
        "test": {"label": list("01010"), column: later},
    }


def test_clean_gives_missing_zero_rare_and_unseen_different_ids(tmp_path: Path) -> None:
    ids = encoded(tmp_path, every_case("c"), Fields(sparse=("c",), encoding="clean", min_count=2))
    unseen, missing, a, zero, b, rare = range(6)  # "0" before "b": equal counts are ordered by text
    assert ids["train"][:, 0].tolist() == [a, a, a, b, b, rare, zero, zero, missing, missing]
    assert ids["test"][:, 0].tolist() == [b, rare, unseen, zero, missing]


def test_clean_without_a_min_count_has_no_row_for_rare_values(tmp_path: Path) -> None:
    ids = encoded(tmp_path, every_case("c"), Fields(sparse=("c",), encoding="clean"))
    assert ids["train"].max() == 1 + len({"a", "b", "rare", "0"})


def test_bars_maps_missing_rare_and_unseen_to_one_row_and_keeps_zero_where_the_fill_is_empty(tmp_path: Path) -> None:
    ids = encoded(tmp_path, every_case("c"), Fields(sparse=("c",), encoding="bars", min_count=2))
    oov, a, zero, b = range(4)
    assert ids["train"][:, 0].tolist() == [a, a, a, b, b, oov, zero, zero, oov, oov]
    assert ids["test"][:, 0].tolist() == [b, oov, oov, zero, oov]


def test_bars_maps_true_zeros_to_oov_where_zero_is_the_fill(tmp_path: Path) -> None:
    ids = encoded(tmp_path, every_case("c"), Fields(sparse=("c",), fill={"c": "0"}, encoding="bars", min_count=2))
    assert ids["train"][:, 0].tolist() == [1, 1, 1, 2, 2, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-3", -3),
        ("-1", -1),
        ("0", 0),
        ("1", 1),
        ("2", 2),
        ("2.0", 2),
        ("1.7", 1),
        ("-1.7", -1),
        ("3", 1),
        ("1000", 47),
    ],
)
def test_a_count_of_criteo_x4_above_2_becomes_floor_of_its_squared_logarithm_and_any_other_its_integer_part(
    text: str, expected: int
) -> None:
    x = float(text)
    assert expected == (math.floor(math.log(x) ** 2) if x > 2 else int(x))
    assert pl.DataFrame({"x": [text]}).select(bucket(pl.col("x"))).item() == expected


def test_criteo_x4_under_bars_and_clean_differ_in_missing_and_zero_counts_only(tmp_path: Path) -> None:
    parts = {
        split: {"label": list("10") * 6, "I": ["0", "0", None, "", "1", "1", "-1", "-1", "8", "9", "50", "50"]}
        for split in SPLITS
    }
    train_ids = {}
    for encoding in ("bars", "clean"):
        derived = {"I": Derived("I", bucket, "a number")}
        fields = Fields(sparse=("I",), derived=derived, fill={"I": "0"}, encoding=encoding, min_count=2)
        (tmp_path / encoding).mkdir()
        train_ids[encoding] = encoded(tmp_path / encoding, parts, fields)["train"][:, 0].tolist()
    eight, nine = (math.floor(math.log(x) ** 2) for x in (8, 9))
    assert eight == nine == 4  # one bucket
    bars, clean = train_ids["bars"], train_ids["clean"]
    assert bars[:4] == [0, 0, 0, 0]
    assert clean[0] == clean[1] and clean[2] == clean[3] == 1 and clean[0] not in (0, 1)
    assert len({*bars[4:]}) == len({*clean[4:]}) == 4
    assert bars[8] == bars[9] and clean[8] == clean[9]


def plain_ids(train: list[str | None], part: list[str | None], encoding: Encoding, least: int, fill: str) -> list[int]:
    """Apply the rules value by value."""
    filled = [value if value else (fill if encoding == "bars" else None) for value in train]
    count = Counter(value for value in filled if value is not None and not (encoding == "bars" and value == fill))
    kept = sorted((value for value, n in count.items() if n >= least), key=lambda value: (-count[value], value))
    ids = []
    for cell in part:
        value = cell if cell else (fill if encoding == "bars" else None)
        if encoding == "bars":
            ids.append(kept.index(value) + 1 if value in kept else 0)
        elif value is None:
            ids.append(1)
        elif value in kept:
            ids.append(kept.index(value) + 2)
        else:
            ids.append(len(kept) + 2 if value in count else 0)
    return ids


@pytest.mark.parametrize("encoding", ["bars", "clean"])
@pytest.mark.parametrize(("least", "fill"), [(1, ""), (2, ""), (3, "7")])
def test_ids_of_random_columns_equal_the_rules_applied_value_by_value(
    tmp_path: Path, encoding: Encoding, least: int, fill: str
) -> None:
    draw = np.random.default_rng(least)
    pool = ["", None, *map(str, range(40)), "x", "X", "ä", "日本", "1.0", "01", "a b"]
    columns = {
        s: [pool[int(i)] for i in len(pool) * draw.random(n) ** 2] for s, n in zip(SPLITS, (300, 80, 80), strict=True)
    }
    parts = {s: {"label": (list("10") * len(c))[: len(c)], "c": c} for s, c in columns.items()}
    fields = Fields(sparse=("c",), fill={"c": fill}, encoding=encoding, min_count=least)
    ids = encoded(tmp_path, parts, fields)
    for split in SPLITS:
        assert ids[split][:, 0].tolist() == plain_ids(columns["train"], columns[split], encoding, least, fill)


def test_dense_values_under_bars_are_raw_and_missing_is_zero(tmp_path: Path) -> None:
    parts = {s: {"label": ["0", "1", "1"], "x": ["-2.5", None, "40"], "c": ["a", "b", "c"]} for s in SPLITS}
    encoded(tmp_path, parts, Fields(dense=("x",), sparse=("c",), encoding="bars"))
    assert np.load(tmp_path / "test" / "dense.npy").tolist() == [[-2.5], [0.0], [40.0]]


def test_a_sequence_keeps_its_last_values_is_padded_in_front_and_shares_the_items_table(tmp_path: Path) -> None:
    histories = ["a^b^c", "c", "", None, "d^a"]
    parts = {s: {"label": list("10101"), "item": ["a", "a", "b", "a", "b"], "seen": histories} for s in SPLITS}
    ids = encoded(tmp_path, parts, Fields(sparse=("item",), sequences={"seen": Sequence(2, "item")}, encoding="bars"))
    # counts of item and history together: a 3 + 2, b 2 + 1, c 2, d 1
    a, b, c, d = 1, 2, 3, 4
    assert ids["test"].tolist() == [[a, b, c], [a, -1, c], [b, -1, -1], [a, -1, -1], [b, d, a]]


def test_a_value_of_a_shared_table_is_kept_if_one_of_its_columns_has_it_often_enough(tmp_path: Path) -> None:
    parts = {s: {"label": list("10"), "item": ["a", "b"], "seen": ["b^c", "c"]} for s in SPLITS}
    fields = Fields(sparse=("item",), sequences={"seen": Sequence(2, "item")}, encoding="bars", min_count=2)
    ids = encoded(tmp_path, parts, fields)
    assert ids["train"].tolist() == [[0, 0, 1], [0, -1, 1]]  # a once, b once in each column, c twice in one


@pytest.mark.parametrize(
    ("hour", "expected"),
    [("14102100", (0, 2, 0)), ("14102523", (23, 6, 1)), ("14102607", (7, 0, 1)), ("14103012", (12, 4, 0))],
)
def test_hour_of_avazu_x4_becomes_hour_weekday_from_sunday_and_weekend(
    hour: str, expected: tuple[int, int, int]
) -> None:
    from datetime import datetime

    when = datetime.strptime(hour, "%y%m%d%H")
    assert expected == (when.hour, int(when.strftime("%w")), int(when.strftime("%w") in "06"))
    derived = datamodules.load("avazu_x4_001").derived_fields
    frame = pl.DataFrame({"hour": [hour]})
    computed = tuple(frame.select(derived[f].compute(pl.col("hour"))).item() for f in ("hour", "weekday", "weekend"))
    assert computed == expected


def test_frappe_under_bars_has_the_published_number_of_table_rows(frappe_folder: Path) -> None:
    data = datamodules.load("frappe.bars")(frappe_folder.parent)
    assert sum(data.cardinalities) == data.table_rows == 5_389  # the published logistic regression also has a bias


def test_the_card_counts_repeated_rows_within_a_part_and_in_each_earlier_part(tmp_path: Path) -> None:
    from datamodules.base import CTRDataModule, card

    class Rows(CTRDataModule):
        title, licence, citation, sparse_fields = "Rows", "generated", "none", ("c",)

        def sources(self) -> list[Path]:
            return []

        def read(self) -> dict[str, pl.DataFrame]:
            values = {
                "train": "aab",
                "valid": "acbbc",
                "test": "xcba",
            }  # c and x are unseen in train, so they share an id
            return {s: pl.DataFrame({"label": (list("10") * 3)[: len(v)], "c": list(v)}) for s, v in values.items()}

    counts = card.duplicates(Rows()).rows_by_key("part", named=True, unique=True)
    assert counts["train"] == {"repeated_within": 1, "also_in_train": None, "also_in_valid": None}
    assert counts["valid"] == {"repeated_within": 2, "also_in_train": 3, "also_in_valid": None}
    assert counts["test"] == {"repeated_within": 1, "also_in_train": 2, "also_in_valid": 4}
