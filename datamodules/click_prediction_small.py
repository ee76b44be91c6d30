"""Click_prediction_small: 39,948 rows of the KDD Cup 2012 search ads log, sampled by OpenML; 16.8 % clicked.

Real ad clicks, but so few and so sparse (30,748 queries, 30,114 users) that deep interactions have little to gain. A row
may stand for several impressions and its label says whether any of them was clicked, so `impression` is left out. There is
no time stamp: the split is random by row, 8:1:1.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from datamodules.base import CTRDataModule, Delimited, Part, find_files

SPLIT_SEED = 2012


class ClickPredictionSmall(CTRDataModule):
    """A random 8:1:1 split, drawn from a fixed seed."""

    title = "Click_prediction_small"
    licence = "KDD Cup 2012 data, research use; OpenML says public"
    citation = "KDD Cup 2012 track 2 (Tencent); sample of OpenML"
    label = "click"
    sparse_fields = (
        *("url_hash", "ad_id", "advertiser_id", "depth", "position"),
        *("query_id", "keyword_id", "title_id", "description_id", "user_id"),
    )

    def sources(self) -> list[Path]:
        """Return the path of Click_prediction_small.csv."""
        how = "Get Click_prediction_small from OpenML as csv"
        return find_files("click_prediction_small", ("Click_prediction_small.csv",), self.data_dir, how)

    def read(self) -> Mapping[str, Part]:
        """Return the parts, assigned by a random permutation of the rows."""
        frame = Delimited(self.sources()[0]).read()
        order = np.random.default_rng(SPLIT_SEED).permutation(len(frame))
        valid, test = int(len(frame) * 0.8), int(len(frame) * 0.9)
        parts = {"train": order[:valid], "valid": order[valid:test], "test": order[test:]}
        return {split: frame[pl.Series(np.sort(rows))] for split, rows in parts.items()}
