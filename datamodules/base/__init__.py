"""Code shared by all data sets: reading, checking and encoding raw files, the encoded cache, and batches."""

from datamodules._paths import cache_root
from datamodules.base.batches import Batches
from datamodules.base.cache import file_digest, remembered_digest
from datamodules.base.delimited import Delimited
from datamodules.base.encode import SPLITS
from datamodules.base.errors import DataError
from datamodules.base.fields import Derived, Encoding, Fields, Frozen, Part, Sequence, Source
from datamodules.base.module import CTRDataModule
from datamodules.base.read import data_root, find_files
from datamodules.base.rules import MISSING, OOV
from datamodules.base.twins import Cells, Layout

__all__ = [
    "MISSING",
    "OOV",
    "SPLITS",
    "Batches",
    "CTRDataModule",
    "Cells",
    "DataError",
    "Delimited",
    "Derived",
    "Encoding",
    "Fields",
    "Frozen",
    "Layout",
    "Part",
    "Sequence",
    "Source",
    "cache_root",
    "data_root",
    "file_digest",
    "find_files",
    "remembered_digest",
]
