"""One training on several devices: Lightning's DDP in processes of our own, which are reused for the next training.

The processes rendezvous through a file, which needs no open port. Each takes its rows of every batch (`CTRModel.shard`):
the last batch may be uneven, and no row is repeated or left out.
"""

import multiprocessing
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from benchmark.training.processes import end_with_parent
from benchmark.training.watch import Stalled


class Ranks:
    """A group of processes, one per device; a call runs in all of them at once.

    Args:
        n_ranks: number of processes.
        device: cpu, or cuda for one card each.
        stall_seconds: after which a rank ends whose training stands still.

    Attributes:
        closed: whether the processes have been killed.
        stalled: a file that a rank makes before it ends because its training stands still.
    """

    def __init__(self, n_ranks: int, device: str, stall_seconds: float):
        self.closed, self._stall_seconds = False, stall_seconds
        self._folder = tempfile.TemporaryDirectory(prefix="wukong-bench-")
        self.stalled = Path(self._folder.name) / "stalled"
        context = multiprocessing.get_context("spawn")
        rendezvous = Path(self._folder.name) / "rendezvous"
        self._pools = [
            ProcessPoolExecutor(1, context, _join, (rank, n_ranks, device, str(rendezvous))) for rank in range(n_ranks)
        ]

    def __call__(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Run `work` in all ranks and return the result of rank 0.

        If a rank fails, kill the others and raise its error, or Stalled if a training stood still.
        """
        futures = [pool.submit(work, *arguments) for pool in self._pools]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in done:
            if error := future.exception():
                stalled = self.stalled.exists()
                self.close()
                raise Stalled(self._stall_seconds) if stalled else error
        return futures[0].result()

    def close(self) -> None:
        """Kill the processes, including those that wait for a rank that has exited."""
        self.closed = True
        for process in multiprocessing.active_children():
            process.kill()
        for pool in self._pools:
            pool.shutdown(wait=True)
        self._folder.cleanup()


def _join(rank: int, n_ranks: int, device: str, rendezvous: str) -> None:
    """Join this process to the group, also in the environment variables that Lightning reads."""
    end_with_parent()
    torch.set_num_threads(1)
    os.environ |= {"LOCAL_RANK": str(rank), "RANK": str(rank), "WORLD_SIZE": str(n_ranks), "NODE_RANK": "0"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
    backend = "nccl" if device.startswith("cuda") else "gloo"
    if backend == "nccl":
        torch.cuda.set_device(rank)
    distributed.init_process_group(backend, init_method=f"file://{rendezvous}", rank=rank, world_size=n_ranks)
