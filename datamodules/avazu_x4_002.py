"""Avazu_x4_002: the files and rules of Avazu_x4_001 with min count 1."""

from datamodules.avazu_x4_001 import AvazuX4


class AvazuX4MinCount1(AvazuX4):
    """The published parts train, valid and test."""

    title = "Avazu_x4_002"
    citation = "Avazu, Kaggle (2014); parts as made by Zhu et al., CIKM 2021 (Open Benchmarking for CTR Prediction)"
    table_rows = None  # not published for this min count
    min_count = 1
