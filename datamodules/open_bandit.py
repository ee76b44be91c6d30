"""Open Bandit (small): impressions in a fashion shop, 60,000 rows with 287 clicks; for tests, not for rankings.

Six files of 10,000 rows in time order: two logging policies (random, Bernoulli Thompson sampling) by three campaigns. With
0.4 to 0.7 % clicks it cannot tell models apart. The propensity score belongs to the policy and is not a feature.
"""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from datamodules.base import CTRDataModule, Delimited, find_files

POLICIES, CAMPAIGNS = ("random", "bts"), ("all", "men", "women")
ITEM_FEATURES = tuple(f"item_feature_{i}" for i in range(4))


class OpenBandit(CTRDataModule):
    """All files together, by timestamp: the first 80 % of the rows train, then 10 % validation and 10 % test."""

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
        """Return <policy>_<campaign>.csv and <policy>_<campaign>_item_context.csv for each policy and campaign."""
        stems = [f"{policy}_{campaign}" for policy in POLICIES for campaign in CAMPAIGNS]
        names = tuple(f"{stem}{ending}.csv" for stem in stems for ending in ("", "_item_context"))
        return find_files("open_bandit", names, self.data_dir, "Get them from dataset/obd in the PyPI wheel obp")

    def read(self) -> Mapping[str, pl.DataFrame]:
        """Return the parts: impressions joined with item features; item ids are local to a campaign."""
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
