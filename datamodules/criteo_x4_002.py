"""Criteo_x4_002: the files and rules of Criteo_x4_001 with min count 2."""

from datamodules.criteo_x4_001 import CriteoX4


class CriteoX4MinCount2(CriteoX4):
    """The published parts train, valid and test."""

    title = "Criteo_x4_002"
    citation = (
        "Criteo Labs, Kaggle (2014); parts as made by Zhu et al., CIKM 2021 (Open Benchmarking for CTR Prediction)"
    )
    table_rows = None  # not published for this min count
    min_count = 2
