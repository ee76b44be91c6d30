"""Criteo_x1: display ads, 45,840,617 rows in the parts of the AFN paper, in RecZoo's csv layout.

Described as 7:2:1, but the parts are 72.0 : 18.0 : 10.0. The 13 counts hold AFN's transformed values and are used
unchanged; the categories are ids of the values that pass AFN's min count, so none is rare. 25.6 % positive in every part.
"""

from datamodules.base.reczoo import RecZooDataModule


class CriteoX1(RecZooDataModule):
    """The published train, valid and test parts."""

    title = "Criteo_x1"
    licence = "Criteo's terms of the challenge, non-commercial, no redistribution"
    citation = "Criteo Labs, Kaggle (2014); parts by Cheng et al., AAAI 2020 (AFN)"
    hub, folder_name = "Criteo_x1", "criteo_x1"
    md5 = {
        "train.csv": "30b89c1c7213013b92df52ec44f52dc5",
        "valid.csv": "f73c71fb3c4f66b6ebdfa032646bea72",
        "test.csv": "2c48b26e84c04a69b948082edae46f8c",
    }
    rows = {"train": 33_003_326, "valid": 8_250_124, "test": 4_587_167}
    positives = {"train": 8_456_369, "valid": 2_114_300, "test": 1_174_769}
    table_rows = 2_086_303  # BARS's logistic regression without its bias and the 13 weights of the dense fields
    dense_fields = tuple(f"I{i}" for i in range(1, 14))
    sparse_fields = tuple(f"C{i}" for i in range(1, 27))
