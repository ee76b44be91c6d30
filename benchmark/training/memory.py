"""The C library's allocator, told to keep what is freed.

By default glibc maps every large tensor afresh and hands it back when it is freed, so that each step faults in its pages
anew: with many intermediate results of some megabytes that takes as long as the arithmetic.
"""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of mallopt(3)
TRIM_ABOVE_BYTES = 2**31 - 1


def keep_freed_memory() -> None:
    """Serve all allocations of this process from a heap that shrinks only above 2 GiB of slack; no-op without glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, TRIM_ABOVE_BYTES)
