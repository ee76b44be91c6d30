"""Criteo_x4_002: same files and rules as Criteo_x4_001, but min count 2."""

from datamodules.criteo_x4_001 import CriteoX4


class CriteoX4MinCount2(CriteoX4):
    """The published train, valid and test parts."""

    title = "Criteo_x4_002"
    citation = (
        "Criteo Labs, Kaggle (2014); parts as made by Zhu et al., CIKM 2021 (Open Benchmarking for CTR Prediction)"
    )
    table_rows = None  # not published for this min count
    min_count = 2
