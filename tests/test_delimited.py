"""Text tables read in blocks equal the whole table, wherever the blocks end."""

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datamodules.base import DataError, Delimited, delimited

Rows = list[tuple[str, ...]]

plain = st.text(st.characters(codec="utf-8", exclude_characters='\n\r,"\x00'), min_size=1, max_size=9)
quoted = st.one_of(plain, st.text(st.sampled_from('a",\n"é'), min_size=1, max_size=9))


def written(rows: Rows, line_end: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator=line_end).writerows(rows)
    return text.getvalue().encode()


def tables(cell: st.SearchStrategy[str]) -> st.SearchStrategy[Rows]:
    return st.lists(st.tuples(cell, cell, cell), min_size=1, max_size=12)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.one_of(tables(plain), tables(quoted)),
    block=st.integers(1, 60),
    header=st.booleans(),
    line_end=st.sampled_from(["\n", "\r\n"]),
    ended=st.booleans(),
    packed=st.booleans(),
    run=st.tuples(st.integers(0, 12), st.one_of(st.none(), st.integers(1, 12))),
)
def test_any_range_of_rows_is_the_same_for_any_block_size(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: Rows,
    block: int,
    header: bool,
    line_end: str,
    ended: bool,
    packed: bool,
    run: tuple[int, int | None],
) -> None:
    names = ("x", "y", "z")
    content = written([names, *rows] if header else rows, line_end)
    content = content if ended else content[: -len(line_end)]
    path = tmp_path / ("rows.csv.gz" if packed else "rows.csv")
    path.write_bytes(gzip.compress(content) if packed else content)
    monkeypatch.setattr(delimited, "BLOCK", block)
    table = Delimited(path, columns=None if header else names)
    assert table.rows == len(rows)
    first, n = run
    read = [row for batch in table.batches(first, n) for row in batch.rows()]
    assert read == rows[first : None if n is None else first + n]


def test_memory_holds_single_blocks_instead_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "BLOCK", 1000)
    (tmp_path / "rows.csv").write_text("x,y\n" + "1,2\n" * 10_000)
    sizes = [len(batch) for batch in Delimited(tmp_path / "rows.csv").batches()]
    assert sum(sizes) == 10_000 and max(sizes) <= 1000 / len("1,2\n")


def test_a_bad_byte_in_a_later_block_is_named_by_line_and_offset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "BLOCK", 64)
    start = b"x,y\n" + b"1,2\n" * 100
    (tmp_path / "rows.csv").write_bytes(start + b"1,\xff\n")
    with pytest.raises(DataError, match=rf"rows\.csv, line 102: byte 0xff at offset {len(start) + 2} is not UTF-8"):
        Delimited(tmp_path / "rows.csv").read()
