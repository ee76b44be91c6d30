"""What every data set shares: reading, checking and encoding the raw files, the encoded cache, and batches."""

from datamodules.base.batches import Batches
from datamodules.base.cache import cache_root
from datamodules.base.encode import MISSING, OOV, DataError
from datamodules.base.module import SPLITS, CTRDataModule
from datamodules.base.read import find_files, read_csv

__all__ = [
    "MISSING",
    "OOV",
    "SPLITS",
    "Batches",
    "CTRDataModule",
    "DataError",
    "cache_root",
    "find_files",
    "read_csv",
]
