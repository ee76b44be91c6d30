"""Bad input, truncated files, kills and races, all real: data either load correctly or fail with a one-line error."""

import gzip
import itertools
import multiprocessing
import os
import shutil
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import datamodules
from datamodules.base import MISSING, OOV, SPLITS, Batches, CTRDataModule, DataError, twins
from datamodules.base.reczoo import RecZooDataModule

GOOD = "label,x,c\n1,1,a\n0,2,b\n"


class Three(RecZooDataModule):
    title, licence, citation = "Three", "generated", "none"
    hub, folder_name = "Three", "three"
    md5 = {f"{split}.csv": "none published" for split in SPLITS}
    dense_fields = ("x",)
    sparse_fields = ("c",)
    encoding = "clean"


def folder_with(folder: Path, train: bytes | str, name: str = "train.csv") -> Path:
    for split in SPLITS:
        (folder / f"{split}.csv").write_text(GOOD)
    (folder / "train.csv").unlink()
    (folder / name).write_bytes(train.encode() if isinstance(train, str) else train)
    return folder


def message(folder: Path) -> str:
    with pytest.raises(DataError) as raised:
        Three(folder).prepare_data()
    text = str(raised.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("train", "parts"),
    [
        (b"label,x,c\n1,1,caf\xe9\n0,2,b\n", ["train.csv, line 2: byte 0xe9 at offset 17 is not UTF-8"]),
        ("label,x,c,c\n1,1,a,b\n0,2,b,c\n", ["train.csv, line 1: two columns are named 'c'"]),
        ("label,x,C\n1,1,a\n0,2,b\n", ["train.csv: no column 'c'; did you mean", "it has label, x, C"]),
        ("label,x,c\n1,1\n0,2,b\n", ["train.csv, line 2: 2 cells where the table has 3 columns"]),
        ("label,x,c\n1,1,a\n0,2,b,extra\n", ["train.csv, line 3: 4 cells where the table has 3 columns"]),
        ("label,x,c\n1,1,a,extra\n0,2\n", ["train.csv, line 2: 4 cells where the table has 3 columns"]),
        ("label,x,c\n1,1,a\n\n0,2,b\n", ["train.csv, line 3: 0 cells where the table has 3 columns"]),
        ('label,x,c\n1,1,"a\n0,2,b\n', ["train.csv, line 2, cell 3: a quote is opened and never closed"]),
        ('label,x,c\n1,1,"two\nlines"\n0,2,b\n3,3,c\n', ["train.csv, line 5: label is '3'; expected 0 or 1"]),
        ("label,x,c\n1,1,a\n0.5,2,b\n", ["train.csv, line 3: label is '0.5'; expected 0 or 1"]),
        ("label,x,c\n1,1,a\n-1,2,b\n", ["train.csv, line 3: label is '-1'; expected 0 or 1"]),
        ("label,x,c\n1,1,a\n0,1 000,b\n", ["train.csv, line 3: x is '1 000'; expected a finite number"]),
        *(
            (
                f"label,x,c\n1,1,a\n0,{nan},b\n",
                [f"train.csv, line 3: x is '{nan}'; expected a finite number, or an empty"],
            )
            for nan in ("nan", "NaN", "-nan", "+nan", "NAN", "inf", "-Infinity", "1e999", "NA", "null")
        ),
        (b"PK\x03\x04rest", ["train.csv: is a zip archive; expected a text table in UTF-8, plain or gzipped once"]),
        (b"\xff\xfel\x00a\x00", ["train.csv: is UTF-16; expected a text table in UTF-8"]),
        (gzip.compress(gzip.compress(GOOD.encode())), ["train.csv: is gzipped gzip; expected a text table in UTF-8"]),
        (gzip.compress(b"PAR1xxxx"), ["train.csv: is gzipped parquet; expected a text table in UTF-8"]),
        (gzip.compress(b"label,x,c\n1,1\n"), ["train.csv, line 2: 2 cells where the table has 3 columns"]),
        (gzip.compress(b"label,x,c\n1,1,a\n" * 99)[:40] + b"damage", ["train.csv: cannot be read to its end"]),
        ("label,x,c\n0,1,a\n0,2,b\n", ["train.csv: the train part has only one class (0 positives in 2 rows)"]),
    ],
)
def test_a_bad_file_is_refused_with_the_place_and_what_is_expected(
    tmp_path: Path, train: bytes | str, parts: list[str]
) -> None:
    text = message(folder_with(tmp_path, train))
    assert all(part in text for part in parts), text


def test_byte_order_mark_crlf_and_a_missing_final_newline_are_accepted(tmp_path: Path) -> None:
    plain, odd = tmp_path / "plain", tmp_path / "odd"
    plain.mkdir(), odd.mkdir()
    folder_with(plain, GOOD)
    folder_with(odd, b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").rstrip().encode())
    assert Three(odd).fingerprint == Three(plain).fingerprint


def test_undeclared_columns_are_ignored_and_listed(tmp_path: Path) -> None:
    data = Three(folder_with(tmp_path, "row,label,x,c\n7,1,1,a\n8,0,2,b\n"))
    for split in SPLITS[1:]:
        shutil.copy(tmp_path / "train.csv", tmp_path / f"{split}.csv")
    assert data.meta["ignored_columns"] == ["row"]
    assert (data.n_dense, data.cardinalities) == (1, (4,))


def test_a_gzip_file_is_read_and_a_truncated_one_is_named(tmp_path: Path) -> None:
    text = "label,x,c\n" + "".join(f"{i % 2},{i},v{i % 7}\n" for i in range(5000))
    plain, packed, truncated = (tmp_path / name for name in ("plain", "packed", "truncated"))
    for path in (plain, packed, truncated):
        path.mkdir()
    whole = gzip.compress(text.encode())
    folder_with(plain, text)
    folder_with(packed, whole, "train.csv.gz")
    folder_with(truncated, whole[: len(whole) // 2], "train.csv.gz")
    assert Three(packed).fingerprint == Three(plain).fingerprint
    assert "train.csv.gz: cannot be read to its end" in message(truncated)


def test_gzip_is_told_by_its_first_bytes_and_not_by_the_name(tmp_path: Path) -> None:
    text = GOOD + "1,3,c\n"
    for name, content in (("train.csv", gzip.compress(text.encode())), ("train.csv.gz", text.encode())):
        folder = tmp_path / name
        folder.mkdir()
        assert Three(folder_with(folder, content, name)).meta["rows"]["train"] == 3


def test_a_file_that_ends_in_the_middle_of_a_line_is_refused(tmp_path: Path) -> None:
    text = "label,x,c\n" + "".join(f"{i % 2},{i},value{i}\n" for i in range(1000))
    cut = text[: text.index("500,value500")]
    assert "line 502: 2 cells where the table has 3 columns" in message(folder_with(tmp_path, cut))


def test_values_of_every_kind_survive_encoding(tmp_path: Path) -> None:
    values = [
        "text",
        "9" * 30,
        "1.0",
        "1",
        "01",
        "1e3",
        " a",
        "Ünïcode 日本",
        "𝄞",
        "-0",
        "nan",
        "NULL",
        "a^b",
        "\x00",
        "x" * 5000,
    ]
    train = (
        "label,x,c\n"
        + "".join(f"{i % 2},1,{value}\n" for i, value in enumerate(values))
        + '1,1,""\n0,1,"a,b"\n1,1,"say ""hi"""\n'
    )
    data = Three(folder_with(tmp_path, train))
    ids = np.load(data.folder / "train" / "sparse.npy")[:, 0].tolist()
    kept = pl.read_parquet(data.folder / "vocabulary.parquet")
    text = dict(zip(kept["id"], kept["value"], strict=True))
    assert [text.get(i) for i in ids] == [*values, None, "a,b", 'say "hi"']
    assert ids[len(values)] == MISSING


cells = st.one_of(
    st.sampled_from(["", "0", "1", "a", "b", "1.0", "nan", "inf", "-", '"', "é", "NULL"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=6),
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(str),
)
likely_labels = st.sampled_from(["0", "1", "0", "1", "1.0", "", "2", "yes"])
lines = st.tuples(likely_labels, st.one_of(st.floats(allow_nan=False, allow_infinity=False).map(str), cells), cells)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(lines, max_size=8),
    header=st.sampled_from(["label,x,c", "label,x,c", "label,x,c", "label,x,c,c", "label,x", "c,x,label", ""]),
    quote=st.booleans(),
    tail=st.binary(max_size=4),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_any_small_csv_either_has_an_invertible_encoding_or_gives_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str, str]],
    header: str,
    quote: bool,
    tail: bytes,
    line_end: str,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    written = [[f'"{cell.replace(chr(34), 2 * chr(34))}"' if quote else cell for cell in row] for row in rows]
    text = header + line_end + "".join(",".join(row) + line_end for row in written)
    data = Three(folder_with(folder, text.encode() + tail))
    try:
        data.prepare_data()
    except DataError as error:
        assert str(error).strip() and "\n" not in str(error)
        return
    ids = np.load(data.folder / "train" / "sparse.npy")[:, 0]
    kept = pl.read_parquet(data.folder / "vocabulary.parquet")
    assert kept["value"].n_unique() == len(kept)
    text_of = {MISSING: "", **dict(zip(kept["id"], kept["value"], strict=True))}
    assert OOV not in ids
    if quote and header == "label,x,c" and not tail:
        assert [text_of[i] for i in ids.tolist()] == [row[2] for row in rows]
    assert set(np.load(data.folder / "train" / "label.npy").tolist()) == {0.0, 1.0}
    assert np.isfinite(np.load(data.folder / "train" / "dense.npy")).all()


def prepare(folder: Path, cache: Path, change: str = "") -> None:
    """Encode the folder in a process of its own, after executing the code `change`."""
    os.environ["WUKONG_BENCH_CACHE"] = str(cache)
    exec(change, {})
    Three(folder).prepare_data()


PROCESSES = multiprocessing.get_context("forkserver")  # its server imports torch once for all processes
PROCESSES.set_forkserver_preload(["datamodules.base.reczoo"])


def start(folder: Path, cache: Path, change: str = "") -> BaseProcess:
    process = PROCESSES.Process(target=prepare, args=(folder, cache, change))
    process.start()
    return process


def exit_code(process: BaseProcess) -> int | None:
    process.join(timeout=120)
    return process.exitcode


@pytest.fixture(scope="module")
def middling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that take long enough to encode for a kill to hit the encoding."""
    folder = tmp_path_factory.mktemp("middling")
    text = "label,x,c\n" + "".join(f"{i % 2},{i},v{i * 7919 % 300_000}\n" for i in range(600_000))
    return folder_with(folder, text)


def test_kill_9_at_any_moment_leaves_no_partial_cache_that_is_later_used(middling: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for moment in (0.05, 0.15, 0.3):
        process = start(middling, cache)
        deadline = time.monotonic() + 60
        while not list(cache.glob(".three-*")) and process.is_alive() and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(moment)
        process.kill()
        process.join()
    finished = list(cache.glob("three-*"))
    assert exit_code(start(middling, cache)) == 0
    [folder] = cache.glob("three-*")
    assert not finished or finished == [folder]
    assert [path.name for path in cache.glob(".three-*") if path.is_dir()] == []
    assert exit_code(start(middling, tmp_path / "apart")) == 0
    names = [p.relative_to(folder) for p in sorted(folder.rglob("*")) if p.is_file()]
    assert len(names) == 11
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / "apart" / folder.name / name).read_bytes()


def test_a_process_killed_in_the_second_pass_blocks_no_other(middling: Path, tmp_path: Path) -> None:
    kill = "encode._finish = lambda *a: os.kill(os.getpid(), signal.SIGKILL)"
    setup = f"import os, signal; from datamodules.base import encode; {kill}"
    assert exit_code(start(middling, tmp_path, setup)) == -signal.SIGKILL
    assert list(tmp_path.glob("three-*")) == []
    assert exit_code(start(middling, tmp_path)) == 0


def test_of_two_concurrent_processes_one_encodes_and_both_read_the_cache(middling: Path, tmp_path: Path) -> None:
    patch = f"module.encode = lambda *a: (open({str(tmp_path / 'log')!r}, 'a').write('encoding '), e(*a))[1]"
    logged = f"from datamodules.base import module; e = module.encode; {patch}"
    both = [start(middling, tmp_path, logged) for _ in range(2)]
    assert [exit_code(process) for process in both] == [0, 0]
    assert (tmp_path / "log").read_text() == "encoding "
    assert len(list(tmp_path.glob("three-*"))) == 1


def test_preparing_twice_reads_no_raw_byte_and_writes_nothing(
    middling: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WUKONG_BENCH_CACHE", str(tmp_path))
    folder = Three(middling).folder
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    def refuse(*arguments: object) -> str:
        raise AssertionError("a raw file was read")

    monkeypatch.setattr("datamodules.base.cache.file_digest", refuse)
    assert Three(middling).folder == folder
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == stamps


def test_a_raw_file_changed_in_place_gets_a_new_fingerprint(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, GOOD)
    before = Three(folder).fingerprint
    (folder / "train.csv").write_text(GOOD.replace("2,b", "3,b"))
    assert Three(folder).fingerprint != before


@pytest.mark.parametrize("kind", ["dense", "sparse", "label"])
def test_a_truncated_cache_is_named_when_it_is_read_and_when_it_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("WUKONG_BENCH_CACHE", str(tmp_path / "cache"))
    data = Three(folder_with(tmp_path, GOOD))
    path = data.folder / "train" / f"{kind}.npy"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(DataError, match=rf"{data.folder}: damaged .*remove the folder"):
        Batches(data.folder / "train", 2)
    with pytest.raises(DataError, match=rf"{data.folder}: damaged .*remove the folder"):
        CTRDataModule.verify(data)  # without the md5s: the raw files are not published


@pytest.mark.parametrize("change", [1_000_000, -1_000_000])
def test_an_id_outside_its_table_is_named_when_the_part_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: int
) -> None:
    monkeypatch.setenv("WUKONG_BENCH_CACHE", str(tmp_path / "cache"))
    twins.write(datamodules.load("taobaoad_x1").layout(), tmp_path, 200)
    data = datamodules.load("taobaoad_x1")(tmp_path, batch_size=16)
    assert len(list(data.train_dataloader())) == 12
    ids = np.load(data.folder / "train" / "sparse.npy", mmap_mode="r+")
    for column in (3, ids.shape[1] - 1):
        before = int(ids[70, column])
        ids[70, column] = before + change
        ids.flush()
        os.utime(data.folder / "train" / "sparse.npy")
        with pytest.raises(
            DataError, match=rf"damaged \(id {before + change} in column {column}, whose table has .* rows"
        ):
            data.train_dataloader()
        ids[70, column] = before
        ids.flush()


def test_a_flipped_byte_of_the_cache_is_found_by_verify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WUKONG_BENCH_CACHE", str(tmp_path / "cache"))
    data = datamodules.load("hotel")()
    assert "unchanged since encoding" in data.verify()[-1]
    path = data.folder / "test" / "sparse.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"fingerprint expected .* found"):
        data.verify()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_a_one_line_error_with_the_free_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WUKONG_BENCH_CACHE", str(tmp_path / "cache"))
    real = Path.open

    def to_full(self: Path, mode: str = "r", **options: object) -> object:
        return real(Path("/dev/full") if mode == "w+b" else self, mode, **options)  # type: ignore[call-overload]

    folder = folder_with(tmp_path, "label,x,c\n" + "".join(f"{i % 2},{i},v{i}\n" for i in range(100_000)))
    monkeypatch.setattr(Path, "open", to_full)
    assert "No space left on device" in message(folder)
    assert "MB free" in message(folder)


def test_an_unwritable_cache_is_a_one_line_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("a file where a folder should be")
    monkeypatch.setenv("WUKONG_BENCH_CACHE", str(tmp_path / "file"))
    assert "file" in message(folder_with(tmp_path, GOOD))


def test_twins_differ_by_seed_and_are_equal_for_the_same_seed(tmp_path: Path) -> None:
    layout = datamodules.load("criteo_kaggle").layout()
    contents = [twins.write(layout, tmp_path / str(i), 200, seed)[0].read_bytes() for i, seed in enumerate((0, 0, 1))]
    assert contents[0] == contents[1] != contents[2]
    assert len(list(itertools.takewhile(bool, contents[0].split(b"\n")))) == 200
    shutil.rmtree(tmp_path / "0")
