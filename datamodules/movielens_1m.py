"""MovieLens-1M: is a film rated 4 or 5? 1,000,209 ratings of 6,040 users, split by time.

Ratings, not clicks: the user chose the film, and there are no impressions without a rating. Rows with the same timestamp
(a user rating a list in one go) stay in one part. An incomplete ratings file also loads; the title then says how many
ratings it has.
"""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from datamodules.base import CTRDataModule, DataError, find_files
from datamodules.base.raw import UNREADABLE, opened

RATINGS = 1_000_209
LIKED = 4


def by_time(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Split by `timestamp` (integer): 80 % train, 10 % validation, 10 % test; equal timestamps stay together."""
    rows = rows.sort("timestamp", maintain_order=True)
    last_train, last_valid = (rows["timestamp"][int(len(rows) * share)] for share in (0.8, 0.9))
    return {
        "train": rows.filter(pl.col("timestamp") <= last_train),
        "valid": rows.filter((pl.col("timestamp") > last_train) & (pl.col("timestamp") <= last_valid)),
        "test": rows.filter(pl.col("timestamp") > last_valid),
    }


def table(path: Path, separator: str, columns: tuple[str, ...]) -> pl.DataFrame:
    """Read a table in Latin-1 without a header, plain or gzipped, all cells as text.

    Raises DataError naming the first line with the wrong number of cells.

    Args:
        path: The file.
        separator: The text between cells, one or more characters.
        columns: The column names, in file order.
    """
    try:
        with opened(path) as file:
            text = pl.DataFrame({"line": [line.decode("latin-1").rstrip("\r\n") for line in file]})
    except UNREADABLE as error:
        raise DataError(f"{path}: cannot be read to its end: {error}") from None
    cells = text.select(pl.col("line").str.split(separator).alias("cells"))
    bad = (cells["cells"].list.len() != len(columns)).fill_null(True).arg_true()
    if len(bad):
        raise DataError(
            f"{path}, line {bad[0] + 1}: {text['line'][bad[0]]!r}; expected {len(columns)} cells separated by {separator!r}"
        )
    return cells.select(pl.col("cells").list.to_struct(fields=list(columns))).unnest("cells")


def liked(ratings: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Add the label and make timestamps integers. Raises DataError naming the first line with an invalid rating."""
    rating = ratings["rating"].cast(pl.Int64, strict=False)
    stamp = ratings["timestamp"].cast(pl.Int64, strict=False)
    bad = (~rating.is_in([1, 2, 3, 4, 5]).fill_null(False) | stamp.is_null()).arg_true()
    if len(bad):
        row = ratings.row(bad[0], named=True)
        raise DataError(f"{path}, line {bad[0] + 1}: {row}; expected a rating from 1 to 5 and an integer timestamp")
    return ratings.with_columns((rating >= LIKED).cast(pl.Int8).alias("label"), stamp)


class MovieLens1M(CTRDataModule):
    """By timestamp: the first 80 % of the ratings train, then 10 % validation and 10 % test."""

    title = "MovieLens-1M (rating >= 4)"
    licence = "GroupLens: research use, no redistribution without permission, no commercial use"
    citation = "Harper and Konstan, ACM TiiS 5 (2015)"
    sparse_fields = (
        "user_id",
        "movie_id",
        "gender",
        "age",
        "occupation",
        "zip",
        "release_year",
        "genres",
        "first_genre",
    )
    user_fields = ("user_id", "gender", "age", "occupation", "zip")
    item_fields = ("movie_id", "release_year", "genres", "first_genre")
    recipe = "movielenslatest_x1"

    def sources(self) -> list[Path]:
        """Return the paths of ratings.dat, users.dat and movies.dat."""
        names = ("ratings.dat", "users.dat", "movies.dat")
        return find_files("movielens_1m", names, self.data_dir, "Get ml-1m.zip from GroupLens")

    def read(self) -> Mapping[str, pl.DataFrame]:
        """Return the parts: ratings joined with user and film."""
        paths = self.sources()
        ratings = liked(table(paths[0], "::", ("user_id", "movie_id", "rating", "timestamp")), paths[0])
        users = table(paths[1], "::", ("user_id", "gender", "age", "occupation", "zip"))
        films = table(paths[2], "::", ("movie_id", "title", "genres")).with_columns(
            pl.col("title").str.extract(r"\((\d{4})\)\s*$").alias("release_year"),
            pl.col("genres").str.split("|").list.first().alias("first_genre"),
        )
        joined = ratings.join(users, on="user_id", how="left", maintain_order="left")
        return by_time(joined.join(films, on="movie_id", how="left", maintain_order="left"))

    def full_title(self) -> str:
        """Return the title, with the number of ratings if some are missing."""
        with self.sources()[0].open("rb") as file:
            ratings = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
        return self.title if ratings == RATINGS else f"{self.title}, {ratings:,} of {RATINGS:,} ratings"
