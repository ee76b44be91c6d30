"""Open Bandit (small): impressions of a fashion shop, 60,000 rows of which 287 clicked; for tests, not for rankings.

Six files, two logging policies (random, Bernoulli Thompson sampling) by three campaigns of 10,000 rows, in order of time.
With 0.4 to 0.7 % clicks no difference between models can be seen. The propensity score is the policy's and no feature.
"""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from datamodules.base import CTRDataModule, Delimited, find_files

POLICIES, CAMPAIGNS = ("random", "bts"), ("all", "men", "women")
ITEM_FEATURES = tuple(f"item_feature_{i}" for i in range(4))


class OpenBandit(CTRDataModule):
    """All files together by time stamp: the first 80 % of the rows train, then 10 % validation and 10 % test."""

    title = "Open Bandit (small)"
    licence = "CC BY 4.0"
    citation = "Saito et al., NeurIPS 2021 Datasets and Benchmarks, arXiv 2008.07146"
    label = "click"
    dense_fields = (ITEM_FEATURES[0],)
    sparse_fields = (
        *("policy", "campaign", "item_id", "position"),
        *(f"user_feature_{i}" for i in range(4)),
        *ITEM_FEATURES[1:],
    )

    def sources(self) -> list[Path]:
        """For each policy and campaign <policy>_<campaign>.csv and <policy>_<campaign>_item_context.csv."""
        stems = [f"{policy}_{campaign}" for policy in POLICIES for campaign in CAMPAIGNS]
        names = tuple(f"{stem}{ending}.csv" for stem in stems for ending in ("", "_item_context"))
        return find_files(
            "open_bandit", names, self.data_dir, "Get them from the folder dataset/obd of the PyPI wheel obp"
        )

    def read(self) -> Mapping[str, pl.DataFrame]:
        """Impressions with their item's features; an item is known within its campaign only."""
        paths = self.sources()
        frames = []
        for log, items in zip(paths[::2], paths[1::2], strict=True):
            policy, campaign = log.name.partition(".")[0].split("_")
            features = Delimited(items).read().select("item_id", *ITEM_FEATURES)
            item = pl.concat_str(pl.lit(f"{campaign} "), "item_id")
            frames.append(
                Delimited(log)
                .read()
                .join(features, on="item_id", how="left", maintain_order="left")
                .select("timestamp", "click", "position", "^user_feature_.*$", *ITEM_FEATURES, item.alias("item_id"))
                .with_columns(policy=pl.lit(policy), campaign=pl.lit(campaign))
            )
        rows = pl.concat(frames).sort("timestamp", maintain_order=True)
        valid, test = int(len(rows) * 0.8), int(len(rows) * 0.9)
        return {"train": rows[:valid], "valid": rows[valid:test], "test": rows[test:]}
