"""Hotel: will a booking be cancelled? 119,390 bookings, split by arrival date; the default set, shipped with the suite.

Not click data, but similar to conversions. 31,994 rows are exact duplicates of another row, so a random split would leak
and only the split by date is offered. Left out: `reservation_status` and its date, which are the label;
`assigned_room_type`, `booking_changes`, `required_car_parking_spaces` and `days_in_waiting_list`, which are set after the
booking; the arrival year, which never recurs.
"""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from datamodules.base import CTRDataModule


class Hotel(CTRDataModule):
    """By arrival date, days kept whole: the first 80 % of the rows train, then 10 % validation and 10 % test."""

    title = "Hotel bookings"
    licence = "CC BY 4.0"
    citation = "Antonio, de Almeida, Nunes, Data in Brief 22 (2019) 41-49"
    dense_fields = (
        "lead_time",
        "adr",  # average daily rate
        "stays_in_weekend_nights",
        "stays_in_week_nights",
        "previous_cancellations",
        "previous_bookings_not_canceled",
        "total_of_special_requests",
    )
    sparse_fields = (
        "hotel",
        "arrival_date_month",
        "arrival_date_week_number",
        "arrival_date_day_of_month",
        "arrival_weekday",
        "adults",
        "children",
        "babies",
        "meal",
        "country",
        "market_segment",
        "distribution_channel",
        "is_repeated_guest",
        "reserved_room_type",
        "deposit_type",
        "agent",
        "company",
        "customer_type",
    )
    min_count = 5

    def sources(self) -> list[Path]:
        """Return the path of the file shipped with this package."""
        return [Path(__file__).parent / "data" / "hotel_bookings.parquet"]

    def read(self) -> Mapping[str, pl.DataFrame]:
        """Return the parts by arrival date; a day that straddles a boundary belongs to the earlier part."""
        date = pl.concat_str(
            "arrival_date_year", "arrival_date_month", "arrival_date_day_of_month", separator=" "
        ).str.to_date("%Y %B %d")
        rows = (
            pl.read_parquet(self.sources()[0])
            .with_columns(date.alias("date"))
            .with_columns(pl.col("date").dt.weekday().alias("arrival_weekday"))
            .rename({"is_canceled": "label"})
            .sort("date", maintain_order=True)
        )
        last_train, last_valid = (rows["date"][int(len(rows) * share)] for share in (0.8, 0.9))
        return {
            "train": rows.filter(pl.col("date") <= last_train),
            "valid": rows.filter((pl.col("date") > last_train) & (pl.col("date") <= last_valid)),
            "test": rows.filter(pl.col("date") > last_valid),
        }
