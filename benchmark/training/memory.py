"""Memory of a training process: the C library's allocator keeps what is freed, and a failed run gives back what it held.

By default glibc maps every large tensor anew and unmaps it when it is freed, so each step faults in its pages again. With
many intermediate results of a few megabytes that takes as long as the arithmetic.
"""

import ctypes
import gc

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of mallopt(3)
TRIM_ABOVE_BYTES = 2**31 - 1


def keep_freed_memory() -> None:
    """Serve all allocations from a heap that shrinks only above TRIM_ABOVE_BYTES of slack; no-op without glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, TRIM_ABOVE_BYTES)


def free_memory(device: str) -> None:
    """Free the memory that a failed run still holds."""
    import torch  # here, since commands that train nothing load this module, too

    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
