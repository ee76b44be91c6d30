"""Compare CTR models: protocols, budgets, tuning, records, statistics, tables and figures."""

import os
import platform

# PyTorch's kernels sum in vectors, so rounding depends on the vector width. A common width makes records reproducible
# across x86 processors at the cost of a few percent of speed at most. PyTorch reads the variable once, at its first
# operation; records name the width that was used.
if platform.machine() in ("x86_64", "AMD64"):
    os.environ.setdefault("ATEN_CPU_CAPABILITY", "avx2")
