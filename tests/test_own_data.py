"""Data by file: kinds of columns, parts, warnings, and what is refused."""

import gzip
from datetime import date, time
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from click_log import click_log, write_csv, write_parquet
from sklearn.metrics import roc_auc_score

from datamodules.base import DataError
from datamodules.base.stream import PADDING
from datamodules.own import drift, leaks, split
from datamodules.own.draft import draft
from datamodules.own.kinds import guess
from datamodules.own.module import module_class
from datamodules.own.paths import name_of

ROWS = 6000


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WUKONG_BENCH_CACHE", str(tmp_path / "cache"))


def data_of(path, **roles):
    return module_class(draft(path, label="clicked", **roles).declared)()


def arrays(data, part):
    return {kind: np.load(data.folder / part / f"{kind}.npy") for kind in ("label", "dense", "sparse")}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.5, 2.25, None, 7.0], "dense"),
        (list(range(100)), "dense"),
        ([Decimal("1.50"), Decimal("2.25")], "dense"),
        (["1.5", "2.25", ""], "dense"),
        (["7", "100000", "12"] * 20, "sparse"),
        ([1, 2, 3] * 20, "sparse"),
        ([10**12 + k // 2 for k in range(80)], "sparse"),
        (["007", "012", "007"], "sparse"),
        (["new york", "york, new", "york"], "sparse"),
        ([True, False], "sparse"),
        (["a|b", "b|c", "a|c", "c"] * 9, "values"),
        ([["a", "b"], ["b"], []], "values"),
        ([date(2026, 1, 1), date(2026, 1, 2)], "date"),
        ([time(12, 0), time(13, 30)], "date"),
        (["2026-01-01 10:00:00", "2026-01-02 11:00:00"], "date"),
        (["31.12.2026", "01.01.2027"], "date"),
        ([None, None], "ignored"),
        (["x", "x"], "ignored"),
        ([{"a": 1}, {"a": 2}], "ignored"),
        ([b"1", b"2"], "ignored"),
        ([f"u{k}" for k in range(100)], "ignored"),
    ],
)
def test_the_kind_of_a_column_follows_from_its_cells(values, kind):
    assert guess(pl.Series("column", values)).column.kind == kind


def test_a_number_is_an_id_if_it_is_named_like_one():
    numbers = [k // 2 for k in range(200)]
    assert guess(pl.Series("age", numbers)).column.kind == "dense"
    for name in ("user_id", "userId", "zipcode", "sku", "item_hash"):
        assert guess(pl.Series(name, numbers)).column.kind == "sparse"


def test_csv_gzip_and_parquet_give_the_same_fingerprint(tmp_path):
    log = click_log(ROWS)
    plain = write_csv(log, tmp_path / "a/clicks.csv")
    (tmp_path / "b").mkdir()
    (tmp_path / "b/clicks.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    (tmp_path / "c").mkdir()
    (tmp_path / "c/clicks.tsv").write_bytes(plain.read_bytes().replace(b",", b"\t"))
    write_parquet(log, tmp_path / "d/clicks.parquet")
    log.head(2000).write_parquet(write_parquet(log, tmp_path / "e/1.parquet"))
    log.tail(-2000).write_parquet(tmp_path / "e/2.parquet")
    paths = ("a/clicks.csv", "b/clicks.csv.gz", "c/clicks.tsv", "d/clicks.parquet", "d/*.parquet", "e")
    assert len({data_of(tmp_path / path, time="event_time").fingerprint for path in paths}) == 1


def test_encoded_arrays_are_those_of_a_plain_reading(tmp_path):
    log = click_log(ROWS)
    data = data_of(write_parquet(log, tmp_path / "clicks.parquet"), time="event_time")
    columns = data.meta["sparse_columns"]
    assert columns[:3] == ["event_time, hour", "event_time, weekday", "user_id"]
    train = log.head(data.meta["rows"]["train"])
    made = arrays(data, "train")
    assert (made["label"] == train["clicked"].to_numpy()).all()
    ids = pl.DataFrame({"raw": train["user_id"], "id": made["sparse"][:, 2]}).unique()
    seen = train["user_id"].value_counts().filter(pl.col("count") > 1)
    assert ids.filter(pl.col("raw").is_in(seen["user_id"].implode()))["id"].n_unique() == len(seen)
    hour = pl.DataFrame({"raw": train["event_time"].dt.hour(), "id": made["sparse"][:, 0]}).unique()
    assert len(hour) == 24
    # `tags`: the first value in the column of its table, all values right-aligned after the sparse fields
    first, all_values = columns.index("tags, first"), made["sparse"][:, columns.index("tags") :]
    counts = train["tags"].str.split("|").list.len().fill_null(0).to_numpy()
    assert ((all_values != PADDING).sum(1) == counts).all()
    filled = counts > 0
    start = all_values.shape[1] - counts
    assert (all_values[filled, start[filled]] == made["sparse"][filled, first]).all()


def test_a_split_by_time_keeps_equal_times_together_and_the_order(tmp_path):
    log = click_log(ROWS)
    data = data_of(
        write_parquet(log.sample(fraction=1, shuffle=True, seed=1), tmp_path / "c.parquet"), time="event_time"
    )
    parts = {name: frame.collect() for name, frame in data.read().items()}
    rows = {name: len(frame) for name, frame in parts.items()}
    assert sum(rows.values()) == ROWS and abs(rows["valid"] - ROWS / 10) < 10 and abs(rows["test"] - ROWS / 10) < 10
    raw = split.parts(data.declared.table().frame, data.declared.declaration)
    times = {name: frame.collect()["event_time"] for name, frame in raw.items()}
    assert times["train"].max() < times["valid"].min() and times["valid"].max() < times["test"].min()


def test_a_random_split_is_8_to_1_to_1_and_the_same_however_rows_are_read(tmp_path):
    log = click_log(ROWS).drop("event_time")
    rows = [
        split.parts(frame, draft_of(log, tmp_path))
        for frame in (log.lazy(), pl.concat([log.head(7), log.tail(-7)]).lazy())
    ]
    one, other = ({name: frame.collect()["row_id"].to_list() for name, frame in parts.items()} for parts in rows)
    assert one == other and sorted(row for rows in one.values() for row in rows) == log["row_id"].to_list()
    assert [len(one[name]) / ROWS for name in split.SPLITS] == pytest.approx([0.8, 0.1, 0.1], abs=0.02)
    uniform = split.uniform(np.arange(100_000), 3)
    assert np.histogram(uniform, 10)[0] == pytest.approx([10_000] * 10, abs=400)
    assert abs(np.corrcoef(uniform[:-1], uniform[1:])[0, 1]) < 0.02


def draft_of(log, folder):
    return draft(write_parquet(log, folder / "log.parquet"), label="clicked").declared.declaration


def test_a_column_that_says_the_part_and_three_files_are_taken_as_they_are(tmp_path):
    log = click_log(ROWS).drop("event_time")
    named = log.with_columns(pl.Series("split", ["train"] * 4000 + ["val"] * 1000 + ["test"] * 1000))
    by_column = data_of(write_parquet(named, tmp_path / "one.parquet"))
    for name, first, rows in (("train", 0, 4000), ("valid", 4000, 1000), ("test", 5000, 1000)):
        write_parquet(log[first : first + rows], tmp_path / f"three/{name}.parquet")
    by_files = data_of(tmp_path / "three")
    assert by_column.meta["rows"] == by_files.meta["rows"] == {"train": 4000, "valid": 1000, "test": 1000}
    assert by_column.fingerprint == by_files.fingerprint


def test_a_toml_beside_the_file_corrects_what_was_guessed(tmp_path):
    path = write_parquet(click_log(ROWS), tmp_path / "clicks.parquet")
    (tmp_path / "clicks.toml").write_text(
        'title = "My clicks"\nlicence = "CC0"\ntime = "event_time"\ngroup = "user_id"\n[columns]\nage = "sparse"\n'
        'revenue = "ignored"\ntags = {kind = "values", separator = "|", length = 2}\n'
    )
    for named in (path, tmp_path / "clicks.toml"):
        data = data_of(named)
        assert data.title == "My clicks" and data.about["licence"] == "CC0" and data.group_field == "user_id"
        assert "age" in data.sparse_fields and "revenue" not in data.meta["dense_columns"]
        assert data.meta["cardinalities"][-1][0] == 2
        assert data.about["declaration"]["columns"]["age"]["kind"] == "sparse"
        assert str(tmp_path) not in str(data.about)


def test_weights_of_rows_reach_the_batches_over_their_mean(tmp_path):
    log = click_log(ROWS)
    data = data_of(write_parquet(log, tmp_path / "clicks.parquet"), time="event_time", weight="importance")
    raw = log["importance"].to_numpy()[: data.meta["rows"]["train"]]
    weight = np.load(data.folder / "train/weight.npy")
    assert weight == pytest.approx(raw / raw.mean(), rel=1e-6)
    assert data.about["weight_column"] == "importance" and "importance" not in data.meta["dense_columns"]


def test_what_is_declared_enters_the_key_of_the_cache(tmp_path):
    path = write_parquet(click_log(ROWS), tmp_path / "clicks.parquet")
    folders = [data_of(path, time="event_time").folder]
    for columns in ('age = "sparse"', 'price = "ignored"'):
        (tmp_path / "clicks.toml").write_text(f"[columns]\n{columns}\n")
        folders.append(data_of(path, time="event_time").folder)
    assert len(set(folders)) == 3


def test_a_leak_an_id_of_the_row_and_a_constant_are_named(tmp_path):
    drafted = draft(write_parquet(click_log(ROWS), tmp_path / "clicks.parquet"), label="clicked")
    lines = drafted.declared.warnings
    assert [line.split()[0] for line in lines if "leak" in line] == ["revenue"]
    assert any("another value: row_id" in line for line in lines) and any("alike: country" in line for line in lines)


def test_the_label_under_another_name_is_a_leak_and_an_id_seen_once_is_none(tmp_path):
    log = click_log(ROWS).with_columns(
        pl.col("clicked").cast(pl.String).replace({"1": "yes", "0": "no"}).alias("answer")
    )
    log = log.with_columns(pl.Series("session_id", np.random.default_rng(0).permutation(ROWS) // 2))
    lines = draft(write_parquet(log, tmp_path / "clicks.parquet"), label="clicked").declared.warnings
    assert [line.split()[0] for line in lines if "leak" in line] == ["revenue", "answer"]


def test_the_area_of_a_single_field_is_that_of_scikit_learn():
    draw = np.random.default_rng(0)
    label, score = draw.integers(0, 2, 3000).astype(float), draw.normal(size=3000).round(1)
    field = guess(pl.Series("x", score))
    area = roc_auc_score(label, score)
    assert leaks.alone(pl.Series("x", score), field, label) == pytest.approx(max(area, 1 - area), abs=1e-12)


def test_repeated_rows_and_drift_between_parts_are_named(tmp_path):
    log = click_log(ROWS).drop("row_id", "revenue", "importance")
    drifting = log.with_columns((pl.col("age") + pl.int_range(pl.len()) / 40).alias("age"))
    lines = drift.between_parts(data_of(write_parquet(drifting, tmp_path / "drift.parquet"), time="event_time"))
    assert [line.split()[0] for line in lines] == ["age"] and "stability index" in lines[0]
    twice = pl.concat([log, log]).with_row_index("n").with_columns((pl.col("n") % 7).alias("n"))
    lines = drift.between_parts(data_of(write_parquet(twice.drop("n"), tmp_path / "twice.parquet")))
    assert len(lines) == 1 and "have the fields of a train row" in lines[0]


def test_stability_of_shifted_normals_is_their_symmetric_divergence():
    draw = np.random.default_rng(0)
    one, other = draw.normal(0, 1, 400_000), draw.normal(0.5, 1, 400_000)
    # of normals a shift s apart it is s^2; ten bins lose a little
    assert drift.stability(one.astype(np.float32), other.astype(np.float32)) == pytest.approx(0.25, abs=0.02)
    assert drift.stability(one.astype(np.float32), one.astype(np.float32)) == 0


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("title = 3", "title"),
        ('colour = "red"', "colour: Extra inputs are not permitted"),
        ('label = "clicked"\ntime = "clicked"', "must be different columns"),
        ('[columns]\nage = "float"', "columns.age"),
        ('[columns]\nagee = "dense"', "did you mean 'age'"),
        ('[columns]\nclicked = "dense"', "is the label and cannot be a field"),
        ('[columns]\ntags = {kind = "dense", separator = "|"}', "separator is for columns of kind values"),
        ('[columns]\nevent_time = {kind = "date", parts = []}', "columns.event_time"),
        ('[columns]\nage = {kind = "date", parts = ["hour"]}', "cannot be a date"),
        ('[columns]\nsite = {kind = "values"}', "give the separator"),
        ('[columns]\nsite = "dense"', "site is 'news'; expected a finite number"),
        ('user_fields = ["nobody"]', "name dense and sparse columns; 'nobody' is none"),
        ("shares = [8, 1]", "shares"),
        ("shares = [8, 0, 2]", "shares"),
        ('files = ["../other.parquet"]', "leaves the folder"),
        ('files = ["/etc/passwd"]', "leaves the folder"),
        ('files = ["nothing-*.parquet"]', "matches no file"),
        ("files = 3", "expected texts"),
        ('files = {train = "clicks.parquet"}', "must name train, valid and test"),
        ('title = "<b>x</b>"', "no markup"),
        ("not toml at all", "cannot be read"),
        ("[columns", "cannot be read"),
    ],
)
def test_a_wrong_toml_is_refused_in_one_line(tmp_path, toml, message):
    write_parquet(click_log(ROWS), tmp_path / "clicks.parquet")
    (tmp_path / "clicks.toml").write_text(toml)
    with pytest.raises(DataError, match=message) as error:
        data_of(tmp_path / "clicks.toml").prepare_data()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "roles", "message"),
    [
        (lambda log: log, {"time": "no_time"}, "no time column 'no_time'"),
        (lambda log: log.with_columns(pl.lit(2).alias("clicked")), {}, "clicked is 2; expected 0 or 1"),
        (lambda log: log.with_columns(pl.lit(None).cast(pl.Int8).alias("clicked")), {}, "clicked is None"),
        (lambda log: log.with_columns(pl.lit(1).alias("clicked")), {}, "only one class"),
        (
            lambda log: log.with_columns(pl.lit(date(2026, 1, 1)).alias("event_time")),
            {"time": "event_time"},
            "too few distinct",
        ),
        (
            lambda log: log.with_columns(pl.when(pl.col("row_id") % 9 > 0).then("event_time").alias("event_time")),
            {"time": "event_time"},
            "empty cells",
        ),
        (lambda log: log.with_columns(pl.lit(float("inf")).alias("price")), {}, None),
        (lambda log: log.head(0), {}, "label|no rows|ignored"),
    ],
)
def test_rows_that_cannot_be_used_are_refused_in_one_line(tmp_path, change, roles, message):
    path = write_parquet(change(click_log(ROWS)), tmp_path / "clicks.parquet")
    if message is None:  # a column without a finite number is left out
        assert "price" not in data_of(path, **roles).meta["dense_columns"]
        return
    with pytest.raises(DataError, match=message) as error:
        data_of(path, **roles).prepare_data()
    assert "\n" not in str(error.value)


def test_files_that_are_none_or_differ_are_refused_in_one_line(tmp_path):
    log = click_log(ROWS)
    (tmp_path / "none.parquet").write_bytes(b"PAR1 but no more")
    (tmp_path / "torn.csv").write_text("clicked,a\n1,2\n0\n")
    write_parquet(log, tmp_path / "mixed/1.parquet")
    write_parquet(log.drop("age"), tmp_path / "mixed/2.parquet")
    write_parquet(log, tmp_path / "kinds/1.parquet")
    write_csv(log, tmp_path / "kinds/2.csv")
    (tmp_path / "empty").mkdir()
    cases = {
        "none.parquet": "is no Parquet file",
        "torn.csv": "torn.csv, line 3: 1 cells where the table has 2 columns",
        "mixed": "column 'age' is not as in",
        "kinds": "files of kind .csv, .parquet",
        "empty": "has no file ending in",
        "absent.csv": "no such file or folder",
    }
    for name, message in cases.items():
        with pytest.raises(DataError, match=message) as error:
            data_of(tmp_path / name).prepare_data()
        assert "\n" not in str(error.value)


def test_names_come_from_files_folders_and_patterns(tmp_path):
    (tmp_path / "logs").mkdir()
    names = {"Clicks 2026.csv.gz": "clicks_2026", "2026.parquet": "data_2026", "logs": "logs", "logs/*.csv": "logs"}
    assert {text: name_of(tmp_path / text) for text in names} == names
    with pytest.raises(DataError, match="no name"):
        name_of(tmp_path / "---.csv")
