"""MovieLens-100K: is a film rated 4 or 5? 100,000 ratings of 943 users on 1,682 films, split by time.

Ratings, not clicks; see MovieLens-1M. The published ua split is by user, not by time, and is not used.
"""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from datamodules.base import CTRDataModule, find_files
from datamodules.movielens_1m import by_time, liked, table

GENRES = tuple(f"genre_{i}" for i in range(19))
FILM = ("item_id", "title", "release_date", "video_date", "url", *GENRES)


class MovieLens100K(CTRDataModule):
    """By timestamp: the first 80 % of the ratings train, then 10 % validation and 10 % test."""

    title = "MovieLens-100K (rating >= 4)"
    licence = "GroupLens: research use, no redistribution without permission, no commercial use"
    citation = "Harper and Konstan, ACM TiiS 5 (2015)"
    sparse_fields = ("user_id", "item_id", "age", "gender", "occupation", "zip", "release_year", *GENRES)
    user_fields = ("user_id", "age", "gender", "occupation", "zip")
    item_fields = ("item_id", "release_year", *GENRES)
    recipe = "movielenslatest_x1"

    def sources(self) -> list[Path]:
        """Return the paths of u.data, u.user and u.item."""
        how = "Get ml-100k.zip from GroupLens"
        return find_files("movielens_100k", ("u.data", "u.user", "u.item"), self.data_dir, how)

    def read(self) -> Mapping[str, pl.DataFrame]:
        """Return the parts: ratings joined with user and film."""
        paths = self.sources()
        ratings = liked(table(paths[0], "\t", ("user_id", "item_id", "rating", "timestamp")), paths[0])
        users = table(paths[1], "|", ("user_id", "age", "gender", "occupation", "zip"))
        year = pl.col("release_date").str.slice(-4).alias("release_year")
        films = table(paths[2], "|", FILM).with_columns(year)
        joined = ratings.join(users, on="user_id", how="left", maintain_order="left")
        return by_time(joined.join(films, on="item_id", how="left", maintain_order="left"))
