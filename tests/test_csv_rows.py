"""A csv file gives the rows that Python's csv module reads, or is refused with the line; never fewer rows, in silence."""

import csv
import gzip
import io
import os
import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datamodules.base import DataError, Delimited, delimited

EXAMPLES = int(os.environ.get("CSV_EXAMPLES", "400"))

pieces = st.sampled_from(
    ["a", "b", "1", "é", "日", " ", "", '"', '""', "'", ",", "\n", "\r\n", "\r", "\ufeff", "\x00", "x" * 30]
)
clean = st.lists(st.sampled_from(["a", "1", "é", "", " ", "x" * 30]), max_size=3).map("".join)
quoted = st.lists(pieces, max_size=4).map(lambda parts: '"' + "".join(parts).replace('"', '""') + '"')
inches = st.sampled_from(['5"', '7" wide', 'a"b', '"', '""', 'x""y', '"a"b', '"a" ', ' "a"', '"a'])
cells = st.one_of(clean, clean, quoted, inches)
ends = st.sampled_from(["\n", "\n", "\n", "\r\n", "\r\n", "\r", "\r\r\n"])
tidy_row = st.tuples(st.tuples(*[st.one_of(clean, quoted)] * 3), st.sampled_from(["\n", "\r\n"]))
wild_row = st.tuples(st.lists(cells, min_size=2, max_size=4), ends)
rows_of = st.one_of(
    st.lists(tidy_row, max_size=10),
    st.lists(st.one_of(tidy_row, tidy_row, tidy_row, wild_row), max_size=10),
    st.lists(st.tuples(st.tuples(clean, cells, clean), ends), max_size=10),
    st.lists(wild_row, max_size=10),
)
raw = st.lists(st.one_of(pieces, st.just(","), st.just("\n")), max_size=60).map("".join)
tails = st.sampled_from(["", "", "", "\n", "\n\n", "\r\n", "\r", ",", '"'])


def by_csv_module(text: str) -> list[tuple[str, ...]] | None:
    """Return the rows that the csv module reads; None if it refuses the text."""
    try:
        return [tuple(row) for row in csv.reader(io.StringIO(text, newline=""), strict=True)]
    except csv.Error:
        return None


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    body=st.one_of(rows_of.map(lambda rows: "".join(",".join(row) + end for row, end in rows)), raw),
    tail=tails,
    header=st.sampled_from(
        ["x,y,z\n", "x,y,z\n", "x,y,z\r\n", '"x","y",z\n', "\ufeffx,y,z\n", '\ufeff"x",y,z\n', None]
    ),
    block=st.sampled_from([3, 17, 64, 1 << 23]),
    packed=st.booleans(),
)
def test_any_file_gives_the_rows_of_the_csv_module_or_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    body: str,
    tail: str,
    header: str | None,
    block: int,
    packed: bool,
) -> None:
    text = (header or "") + body + tail
    path = tmp_path / "rows.csv"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    monkeypatch.setattr(delimited, "BLOCK", block)
    table = Delimited(path, columns=None if header else ("x", "y", "z"))
    truth = by_csv_module(text.removeprefix("\ufeff"))
    try:
        read = [tuple(cell or "" for cell in row) for row in table.read().rows()]
    except DataError as error:
        assert "\n" not in str(error)
        no_rows = not truth or len(truth) <= (header is not None)
        ragged = truth is None or any(len(row) != 3 for row in truth)
        assert no_rows or (ragged and re.search(r"rows\.csv, line \d+", str(error))), str(error)
        return
    assert truth is not None
    assert read == truth[header is not None :]
    assert table.rows == len(read)


CASES = {
    'label,price,site,device\n1,2.5,"a,1",x\n0,1,b\n1,3,a,y\n': "line 3: 3 cells where the table has 4 columns",
    'a,b\n1,"x,y"\n1,2,3\n4\n': "line 3: 3 cells where the table has 2 columns",
    "a,b\n1\n1,2,3\n": "line 2: 1 cells where the table has 2 columns",
    'a,b\n1,"x\ny"\n2\n': "line 4: 1 cells where the table has 2 columns",
    'a,b\n1,"x"\n\n2,"y"\n': "line 3: 0 cells where the table has 2 columns",
    'a,b\n1,2\n1,"x\n2,3\n': "line 3, cell 2: a quote is opened and never closed, '\"x'",
    'a,b\n1,"x"y\n': "line 2, cell 2: text after a closing quote, '\"x\"y'",
    "a\n1\n\n2\n": "line 3: 0 cells where the table has 1 columns",
}


@pytest.mark.parametrize(("text", "message"), CASES.items())
def test_a_row_of_the_wrong_form_is_refused_with_line_and_cell(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "train.csv"
    path.write_text(text)
    with pytest.raises(DataError) as refused:
        Delimited(path).read()
    assert str(refused.value).endswith(f"train.csv, {message}")


@pytest.mark.parametrize("name", ["csv_inch_marks/train.csv", "csv_inch_marks/refused_without_a_line.csv"])
def test_inch_marks_in_unquoted_cells_are_text(shared: Path, name: str) -> None:
    path = shared / "cases" / name
    truth = by_csv_module(path.read_bytes().decode())
    assert truth is not None and Delimited(path).read().rows() == [tuple(row) for row in truth[1:]]


def test_a_block_that_polars_reads_differently_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "train.csv"
    path.write_text('a,b\n1,"x"\n2,"y"\n')
    whole = pl.read_csv
    monkeypatch.setattr(pl, "read_csv", lambda *data, **options: whole(*data, **options)[:1])
    with pytest.raises(DataError, match="1 rows were read where 2 were counted"):
        Delimited(path).read()
