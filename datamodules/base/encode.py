"""Encodes raw rows to the arrays that models read, in two passes; memory holds the vocabularies and a few blocks of rows.

The first pass (`stream.py`) reads each part once: it checks the cells, gives each distinct text of a sparse field a code,
counts codes in the train part and writes them. Then the rules (`rules.py`) map codes to ids, and the second pass replaces
them in place. Vocabularies and scales come from the train part only.
Dense fields and row weights are scaled as `scales.py` says. An empty cell is missing, quoted or not.
"""

import functools
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from datamodules.base.arrays import read_blocks, rewrite
from datamodules.base.errors import DataError
from datamodules.base.fields import Fields, Source
from datamodules.base.rules import FIRST_VALUE, MISSING, OOV, Vocabulary, vocabulary
from datamodules.base.scales import Scale, fit_scales, scale_dense, scale_weights
from datamodules.base.stream import PADDING, Stream

SPLITS = ("train", "valid", "test")


def encode(
    folder: Path, parts: dict[str, list[Source]], fields: Fields, title: str, train_rows: int | None = None
) -> dict[str, Any]:
    """Write train/, valid/, test/, vocabulary.parquet and frozen tables; return the facts about them.

    Raises DataError for rows that cannot be encoded.

    Args:
        folder: Existing, empty folder to write to.
        parts: The sources of each part, by name.
        fields: The columns and how they are encoded.
        title: Name of the data set in error messages.
        train_rows: Use only the first rows of the train part; None uses all.
    """
    stream = Stream(fields, title)
    for split in SPLITS:
        (folder / split).mkdir()
        stream.write(folder / split, split, parts[split], train_rows if split == "train" else None)
    with ThreadPoolExecutor(1) as background:
        measured = background.submit(fit_scales, folder / "train", fields)
        tables = {name: _vocabulary(name, stream, parts) for name in fields.sparse}
        tables |= {name: _frozen(folder, name, stream) for name in fields.frozen}
        scales = dict(zip(fields.dense, measured.result(), strict=True))
    oov = {split: _finish(folder / split, fields, tables, scales, stream) for split in SPLITS}
    kept = [table.kept.select(pl.lit(name).alias("field"), pl.all()) for name, table in tables.items()]
    pl.concat(kept or [pl.DataFrame()]).write_parquet(folder / "vocabulary.parquet")
    cardinalities = [
        *(table.rows for table in tables.values()),
        *([s.length, fields.tables().index(s.table)] for s in fields.sequences.values()),
    ]
    return {
        "encoding": fields.encoding,
        "dense_columns": [
            column for name, s in scales.items() for column in ([name, f"{name} is missing"] if s.flagged else [name])
        ],
        "sparse_columns": [*fields.tables(), *fields.sequences],
        "frozen_columns": [*fields.frozen],
        "ignored_columns": stream.ignored,
        "cardinalities": cardinalities,
        "rows": stream.rows,
        "positives": stream.positives,
        "oov_cells": oov,
        **({"weight_column": fields.weight, "mean_weight": stream.mean_weight} if fields.weight else {}),
        "fingerprint": fingerprint_of(folder, cardinalities),
    }


def _vocabulary(name: str, stream: Stream, parts: dict[str, list[Source]]) -> Vocabulary:
    """Return the vocabulary of a sparse field; its counts include the sequences that share its table."""
    fields = stream.fields
    values = stream.values(name)
    counts = stream.occurrences(name)
    present = pl.when(pl.col("value") != "").then("value")
    frame = pl.DataFrame({"value": values, "count": counts.sum(0), "most": counts.max(0)}).with_columns(present)
    to_ids = functools.partial(
        vocabulary, encoding=fields.encoding, min_count=fields.min_count, fill=fields.fill.get(name, "")
    )
    if name not in fields.derived:
        return to_ids(frame)
    derived = fields.derived[name]
    computed = frame.select(derived.compute(pl.col("value")).cast(pl.String)).to_series()
    refused = frame.filter(computed.is_null() & frame["value"].is_not_null())
    if len(refused):
        raise DataError(_refusal(derived.column, refused["value"].sort()[0], parts, stream.title, derived.expected))
    number_C = computed.fill_null("").rank("dense").to_numpy() - 1  # several values may map to the same one
    frame = frame.with_columns(computed.alias("value"), pl.Series("number", number_C))
    table = to_ids(frame.group_by("number", "value").agg(pl.col("count", "most").sum()).sort("number"))
    return replace(table, id_C=np.append(table.id_C[number_C], table.id_C[-1]))


def _frozen(folder: Path, name: str, stream: Stream) -> Vocabulary:
    """Write the frozen table of a field to the folder and return the vocabulary."""
    first = FIRST_VALUE[stream.fields.encoding]
    values = stream.values(name)
    id_C = stream.fields.frozen[name].write(frozen_file(folder, name), values, first)
    kept = pl.DataFrame({"id": id_C, "value": values}).filter(pl.col("id") >= first).sort("id")
    missing = MISSING if stream.fields.encoding == "clean" else OOV
    id_C[(values == "").to_numpy()] = missing
    counts = kept.with_columns(pl.lit(None, pl.Int64).alias("count"))
    return Vocabulary(counts, np.append(id_C, np.int32(missing)), first + len(kept))


def frozen_file(folder: Path, name: str) -> Path:
    """Return the path of a field's frozen table in a folder of encoded data."""
    return folder / f"frozen_{name}.npy"


def _refusal(column: str, value: str, parts: dict[str, list[Source]], title: str, expected: str) -> str:
    """Return the message that refuses a value, with the place of its first occurrence."""
    for split, sources in parts.items():
        for source in sources:
            first = 0
            for batch in source.batches():
                row = (batch[column].cast(pl.String) == value).arg_true()
                if len(row):
                    return f"{source.where(first + row[0], title, split)}: {column} is {value!r}; expected {expected}"
                first += len(batch)
    raise AssertionError(value)


def _finish(
    folder: Path, fields: Fields, tables: dict[str, Vocabulary], scales: dict[str, Scale], stream: Stream
) -> int:
    """Replace codes by ids in place and scale dense values; return the number of OOV cells in sparse fields."""
    with ThreadPoolExecutor(1) as background:
        scaling = background.submit(scale_dense, folder, list(scales.values()), fields)
        oov = _to_ids(folder, fields, tables)
        scaling.result()
    if fields.group is not None:
        rank_C = stream.group_ranks()

        def to_ranks(block: NDArray[np.int32]) -> None:
            block[:] = rank_C[block]

        rewrite(folder / "group.npy", to_ranks)
    if fields.weight is not None:
        scale_weights(folder, stream.mean_weight)
    return oov


def _to_ids(folder: Path, fields: Fields, tables: dict[str, Vocabulary]) -> int:
    """Replace codes by ids in place; return the number of OOV cells in sparse fields."""
    id_of = [table.id_C for table in tables.values()]
    for sequence in fields.sequences.values():
        id_C = tables[sequence.table].id_C.copy()
        id_C[PADDING] = PADDING
        if sequence.table in fields.frozen:  # the mean is over existing vectors only
            id_C[id_C < FIRST_VALUE[fields.encoding]] = PADDING
        id_of += [id_C] * sequence.length
    oov = 0

    def to_ids(block: NDArray[np.int32]) -> None:
        nonlocal oov
        for column, id_C in enumerate(id_of):
            block[:, column] = id_C[block[:, column]]
        oov += int(np.count_nonzero(block[:, : len(tables)] == OOV))

    rewrite(folder / "sparse.npy", to_ids)
    return oov


def fingerprint_of(folder: Path, cardinalities: list[Any]) -> str:
    """Return a hash of all encoded arrays in the folder and of the cardinalities, regardless of the raw files."""
    content = hashlib.sha256(json.dumps(cardinalities).encode())
    for split in SPLITS:
        weighted = (folder / split / "weight.npy").exists()
        for kind in ("dense", "sparse", "label", *(["weight"] if weighted else [])):
            for block in read_blocks(folder / split / f"{kind}.npy"):
                content.update(block.data)
    for table in sorted(folder.glob(frozen_file(folder, "*").name)):
        for block in read_blocks(table):
            content.update(block.data)
    return content.hexdigest()[:16]
