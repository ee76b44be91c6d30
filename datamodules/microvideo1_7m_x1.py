"""MicroVideo1.7M_x1: clicks on short videos with user histories, 12,737,617 rows, in RecZoo's csv layout.

There is no validation file; BARS tunes and stops early on the test part. Here the validation part is the last tenth of the
train file; the variant `bars_split` follows BARS. The file cuts histories at 128 items; the last 100 are used here. gAUC
groups rows by user.

All items of the test part are new. As in BARS, a frozen 64-wide vector of each item's cover therefore replaces its
embedding, and the mean of these vectors replaces that of the history; each goes through its own linear map. The vectors
come with the set in item_image_emb_dim64.h5, whose md5 is not published.
"""

from datamodules.base import Frozen, Sequence
from datamodules.base.reczoo import RecZooDataModule


class MicroVideoX1(RecZooDataModule):
    """The published train and test parts; validation as the variant says."""

    title = "MicroVideo1.7M_x1"
    licence = "research use"
    citation = "Chen et al., ACM MM 2018 (THACIL)"
    hub, folder_name = "MicroVideo1.7M_x1", "microvideo1.7m_x1"
    splits = ("own", "bars")
    md5 = {"train.csv": "936e6612714c887e76226a60829b4e0a", "test.csv": "9417a18304fb62411ac27c26c5e0de56"}
    rows = {"train": 8_970_309, "test": 3_767_308}
    label = "is_click"
    sparse_fields = ("user_id", "cate_id")
    frozen_fields = {"item_id": Frozen("item_id", "item_image_emb_dim64.h5")}
    sequence_fields = {"clicked_items": Sequence(100, "item_id"), "clicked_categories": Sequence(100, "cate_id")}
    group_field = "user_id"
    columns = ("is_click", "user_id", "item_id", "cate_id", "clicked_items", "clicked_categories", "timestamp")
