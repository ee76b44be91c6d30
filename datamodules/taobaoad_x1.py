"""TaobaoAd_x1: display ads with browsing histories, 25,029,426 rows of eight days, in RecZoo's csv layout.

The last day is the test part. There is no validation file; BARS tunes and stops early on the test part. Here the validation
part is the last tenth of the train file, which is sorted by time; the variant `bars_split` follows BARS. About 5 % of the
raw rows had no user profile and were dropped upstream. The id maps that come with the csv files are known to be wrong, so
ids are assigned here. gAUC groups rows by user.
"""

from datamodules.base import Sequence
from datamodules.base.reczoo import RecZooDataModule

USER = (
    "userid",
    "cms_segid",
    "cms_group_id",
    "final_gender_code",
    "age_level",
    "pvalue_level",
    "shopping_level",
    "occupation",
    "new_user_class_level",
)
AD = ("adgroup_id", "cate_id", "campaign_id", "customer", "brand", "price", "pid", "btag")


class TaobaoAdX1(RecZooDataModule):
    """Days 1 to 7 for training and validation, day 8 for testing."""

    title = "TaobaoAd_x1"
    licence = "Alibaba Tianchi: research use"
    citation = "Lyu et al., AAAI 2020 (DMR)"
    hub, folder_name = "TaobaoAd_x1", "taobaoad_x1"
    splits = ("own", "bars")
    md5 = {"train.csv": "eaabfc8629f23519b04593e26c7522fc", "test.csv": "f5ae6197e52385496d46e2867c1c8da1"}
    rows = {"train": 21_929_911, "test": 3_099_515}
    label = "clk"
    dense_fields = ("price",)
    sparse_fields = (*USER, *(name for name in AD if name != "price"))
    user_fields = USER
    item_fields = tuple(name for name in AD if name != "price")
    sequence_fields = {
        "cate_his": Sequence(50, "cate_id"),
        "brand_his": Sequence(50, "brand"),
        "btag_his": Sequence(50, "btag"),
    }
    group_field = "userid"
    min_count = 10
    columns = ("clk", "btag_his", "cate_his", "brand_his", *USER, *AD)
