"""Make the C library's allocator keep freed memory.

By default glibc maps every large tensor anew and unmaps it when it is freed, so each step faults in its pages again. With
many intermediate results of a few megabytes that takes as long as the arithmetic.
"""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of mallopt(3)
TRIM_ABOVE_BYTES = 2**31 - 1


def keep_freed_memory() -> None:
    """Serve all allocations from a heap that shrinks only above TRIM_ABOVE_BYTES of slack; no-op without glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, TRIM_ABOVE_BYTES)
