"""KuaiVideo_x1: clicks on short videos with user histories, 13,661,383 rows, in RecZoo's csv layout.

There is no validation file; BARS tunes and stops early on the test part. Here the validation part is the last tenth of the
train file, which is sorted by time; the variant `bars_split` follows BARS. A history holds the user's first 100 items up to
the impression, not the last 100. gAUC groups rows by user.

As in BARS, each item has a frozen 64-wide vector of its cover in addition to its trained embedding, and each of the two
histories the mean of these vectors; each goes through its own linear map. The vectors come with the set in
item_visual_emb_dim64.h5, whose md5 is not published.
"""

from datamodules.base import Cells, Frozen, Sequence
from datamodules.base.reczoo import RecZooDataModule


class KuaiVideoX1(RecZooDataModule):
    """The published train and test parts; validation as the variant says."""

    title = "KuaiVideo_x1"
    licence = "Kuaishou competition at China MM 2018: research use"
    citation = "Li et al., ACM MM 2019 (ALPINE)"
    hub, folder_name = "KuaiVideo_x1", "kuaivideo_x1"
    splits = ("own", "bars")
    md5 = {"train.csv": "16f13734411532cc313caf2180bfcd56", "test.csv": "ba26c01caaf6c65c272af11aa451fc7a"}
    rows = {"train": 10_931_092, "test": 2_730_291}
    label = "is_click"
    sparse_fields = ("user_id", "item_id")
    user_fields = ("user_id",)
    item_fields = ("item_id",)
    frozen_fields = {"item_cover": Frozen("item_id", "item_visual_emb_dim64.h5")}
    sequence_fields = {
        "pos_items": Sequence(100, "item_id"),
        "neg_items": Sequence(100, "item_id"),
        "pos_covers": Sequence(100, "item_cover", "pos_items"),
        "neg_covers": Sequence(100, "item_cover", "neg_items"),
    }
    group_field = "user_id"
    min_count = 10
    columns = ("timestamp", "user_id", "item_id", "is_click", "is_like", "is_follow", "pos_items", "neg_items")
    cells = {name: Cells("sequence", longest=120) for name in ("pos_items", "neg_items")}
