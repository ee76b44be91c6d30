"""MicroVideo1.7M_x1: clicks on short videos with their history, 12,737,617 rows, in RecZoo's csv layout.

There is no validation file: BARS tunes and stops on the test part. Here the validation part is the last tenth of the train
file; the variant `bars_split` repeats BARS's choice. Histories are cut at 128 in the file and at their last 100 items
here. gAUC groups rows by user.

All items of the test part are new. BARS has a frozen 64-wide vector of each item's cover in the place of its embedding;
they are not read here, so `item_id` tells nothing on the test part, results do not compare with BARS's, and the title
says so.
"""

from datamodules.base import Sequence
from datamodules.base.reczoo import RecZooDataModule


class MicroVideoX1(RecZooDataModule):
    """The published train and test parts."""

    title = "MicroVideo1.7M_x1 without cover vectors"
    licence = "research use"
    citation = "Chen et al., ACM MM 2018 (THACIL)"
    hub, folder_name = "MicroVideo1.7M_x1", "microvideo1.7m_x1"
    splits = ("own", "bars")
    md5 = {"train.csv": "936e6612714c887e76226a60829b4e0a", "test.csv": "9417a18304fb62411ac27c26c5e0de56"}
    rows = {"train": 8_970_309, "test": 3_767_308}
    label = "is_click"
    sparse_fields = ("user_id", "item_id", "cate_id")
    sequence_fields = {"clicked_items": Sequence(100, "item_id"), "clicked_categories": Sequence(100, "cate_id")}
    group_field = "user_id"
    columns = ("is_click", "user_id", "item_id", "cate_id", "clicked_items", "clicked_categories", "timestamp")
