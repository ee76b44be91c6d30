"""The comparison: protocols, budgets, tuning, records, statistics, tables and figures."""

import os
import platform

# PyTorch's kernels sum in vectors, and so round by their width. One width on all x86 processors lets the records of one
# come back on the next, for at most some hundredths of speed. It is read once, at PyTorch's first operation; records name
# what was used.
if platform.machine() in ("x86_64", "AMD64"):
    os.environ.setdefault("ATEN_CPU_CAPABILITY", "avx2")
