"""Avazu_x4_002: same files and rules as Avazu_x4_001, but min count 1."""

from datamodules.avazu_x4_001 import AvazuX4


class AvazuX4MinCount1(AvazuX4):
    """The published train, valid and test parts."""

    title = "Avazu_x4_002"
    citation = "Avazu, Kaggle (2014); parts as made by Zhu et al., CIKM 2021 (Open Benchmarking for CTR Prediction)"
    table_rows = None  # not published for this min count
    min_count = 1
