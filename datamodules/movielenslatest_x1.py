"""MovielensLatest_x1: tagging of films with sampled negatives, 2,006,859 rows, in RecZoo's csv layout.

Two negatives per positive (33.3 % positive), so LogLoss says nothing about calibration. The data set's card counts one
validation row more than BARS's logs; the logs are right.
"""

from datamodules.base.reczoo import RecZooDataModule


class MovielensLatestX1(RecZooDataModule):
    """The published train, valid and test parts (7:2:1, random)."""

    title = "MovielensLatest_x1"
    licence = "GroupLens: research use, no redistribution without permission, no commercial use"
    citation = "Harper and Konstan, ACM TiiS 5 (2015); parts by Cheng et al., AAAI 2020 (AFN)"
    hub, folder_name = "MovielensLatest_x1", "movielenslatest_x1"
    md5 = {
        "train.csv": "efc8bceeaa0e895d566470fc99f3f271",
        "valid.csv": "e1930223a5026e910ed5a48687de8af1",
        "test.csv": "54e8c6baff2e059fe067fb9b69e692d0",
    }
    rows = {"train": 1_404_801, "valid": 401_372, "test": 200_686}
    positives = {"train": 467_878, "valid": 134_225, "test": 66_850}
    table_rows = 90_239  # BARS's logistic regression without its bias
    sparse_fields = ("user_id", "item_id", "tag_id")
    user_fields = ("user_id",)
    item_fields = ("item_id",)
    recipe = "movielenslatest_x1"
