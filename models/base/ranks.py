"""Rows and losses of the processes that train one model together (DDP); without a process group, those of this one."""

import torch
from torch import Tensor, distributed

from models.base.execution import Batch


def shard(batch: Batch) -> Batch:
    """Return this process's rows of a batch: all of them, or every n-th under DDP, so that each row is used once."""
    if not distributed.is_initialized():
        return batch
    rank, n_ranks = distributed.get_rank(), distributed.get_world_size()
    return tuple(part[rank::n_ranks] for part in batch)


def unshard(x_B: Tensor) -> Tensor:
    """Undo `shard`: return all processes' rows of a batch in the batch's order, on every process."""
    if not distributed.is_initialized():
        return x_B
    n_ranks = distributed.get_world_size()
    shares: list[Tensor] = [x_B] * n_ranks
    distributed.all_gather_object(shares, x_B.cpu())
    whole_B = torch.empty(sum(map(len, shares)), dtype=x_B.dtype)
    for rank, share in enumerate(shares):
        whole_B[rank::n_ranks] = share
    return whole_B


def mean_over_ranks(x: Tensor) -> Tensor:
    """Return the mean of x over all processes."""
    if distributed.is_initialized():
        distributed.all_reduce(x)
        x /= distributed.get_world_size()
    return x
