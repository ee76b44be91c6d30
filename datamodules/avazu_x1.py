"""Avazu_x1: mobile ads, 40,428,967 rows in the parts of the AFN paper, in RecZoo's csv layout.

Described as a random 7:1:2 split, but the click rate falls from 17.5 % in train to 16.8 % in valid and 15.2 % in test,
which no random split of this many rows produces. Validation picks the wrong configuration more often here than on other
sets, and seeds differ by up to 0.004 AUC.
"""

from datamodules.base.reczoo import RecZooDataModule


class AvazuX1(RecZooDataModule):
    """The published train, valid and test parts."""

    title = "Avazu_x1"
    licence = "terms of the Kaggle competition, no redistribution"
    citation = "Avazu, Kaggle (2014); parts by Cheng et al., AAAI 2020 (AFN)"
    hub, folder_name = "Avazu_x1", "avazu_x1"
    md5 = {
        "train.csv": "f1114a07aea9e996842c71648e0f6395",
        "valid.csv": "d9568f246357d156c4b8030fadb8b623",
        "test.csv": "9e2fe9c48705c9315ae7a0953eb57acf",
    }
    rows = {"train": 28_300_276, "valid": 4_042_897, "test": 8_085_794}
    positives = {"train": 4_953_382, "valid": 678_699, "test": 1_232_985}
    table_rows = 1_298_599  # BARS's logistic regression without its bias
    sparse_fields = tuple(f"feat_{i}" for i in range(1, 23))
