"""A messy click log with planted faults: a leak, an id of the row, a constant, missing cells, multi-value cells, weights."""

from pathlib import Path

import numpy as np
import polars as pl


def click_log(rows: int = 6000, seed: int = 0) -> pl.DataFrame:
    """Return rows in the order of their times; clicks follow user, item, site and age."""
    draw = np.random.default_rng(seed)
    user, item = (300 * draw.random(rows) ** 2).astype(int), (200 * draw.random(rows) ** 3).astype(int)
    age, site = draw.integers(15, 80, rows), draw.choice(["news", "shop", "video", "mail"], rows)
    tags = ["|".join(f"t{k}" for k in draw.choice(18, draw.integers(1, 5), replace=False)) for _ in range(rows)]
    logit = 0.8 * np.sin(user % 97) + 0.7 * np.cos(item % 31) + 0.4 * (site == "shop") + 0.02 * (age - 40) - 1
    clicked = (draw.random(rows) < 1 / (1 + np.exp(-logit))).astype(int)
    hours = np.sort(draw.integers(0, 60 * 24, rows))
    frame = pl.DataFrame(
        {
            "row_id": 10**6 + np.arange(rows),
            "event_time": pl.Series(hours * 3_600_000_000 + 1_767_225_600_000_000).cast(pl.Datetime("us")),
            "user_id": user,
            "item_id": item,
            "site": site,
            "age": age,
            "price": np.round(np.exp(draw.normal(3, 1, rows)), 2),
            "tags": tags,
            "clicked": clicked,
            "revenue": np.where(clicked == 1, np.round(draw.random(rows) * 3 + 0.1, 2), 0.0),
            "importance": np.round(draw.random(rows) + 0.5, 2),
            "mobile": draw.random(rows) < 0.5,
            "country": ["US"] * rows,
        }
    )
    gaps = {"age": 0.1, "price": 0.2, "site": 0.05, "tags": 0.1}
    return frame.with_columns(
        pl.when(pl.Series(draw.random(rows) > share)).then(pl.col(name)).alias(name) for name, share in gaps.items()
    )


def write_csv(frame: pl.DataFrame, path: Path) -> Path:
    """Write the log as a csv file, times as texts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.with_columns(pl.col("event_time").dt.strftime("%Y-%m-%d %H:%M:%S")).write_csv(path)
    return path


def write_parquet(frame: pl.DataFrame, path: Path) -> Path:
    """Write the log as a Parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(path)
    return path
