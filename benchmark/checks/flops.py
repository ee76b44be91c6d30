"""Work of a forward pass: FLOPs by torch's counter, the products that the counter misses, and element-wise arithmetic."""

from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from models.base import Config, CTRModel

UNCOUNTED = (
    *("mv", "dot", "vdot", "addmv", "addr", "addbmm", "bilinear", "_trilinear", "outer", "ger"),
    *("_cdist_forward", "_pdist_forward", "_embedding_bag", "_embedding_bag_forward_only"),
    *("lstm", "gru", "rnn_tanh", "rnn_relu", "_thnn_fused_lstm_cell", "_thnn_fused_gru_cell"),
)
UNCOUNTED_PREFIXES = ("linalg_", "fft_", "_fft_")
MOVES = (
    *("embedding", "index", "index_select", "gather", "cat", "stack", "split_with_sizes_copy", "copy_", "clone"),
    *("_to_copy", "_unsafe_view", "empty", "zeros", "ones", "full", "new_zeros", "new_ones", "zeros_like", "ones_like"),
)


class Work(NamedTuple):
    """What a forward pass computes."""

    flops: int  # of matrix products, by torch's counter
    uncounted: frozenset[str]  # names of the products that torch's counter misses
    elements: int  # numbers read or written by all other arithmetic, whichever are more in each operation


def work(
    model_class: type[CTRModel],
    config: Config,
    n_dense: int,
    cardinalities: list[int],
    *,
    batch_size: int,
    training: bool,
) -> Work:
    """Return the work of a forward pass, traced on the meta device.

    Args:
        model_class: the model.
        config: its architecture.
        n_dense: number of dense columns.
        cardinalities: rows of each sparse column's table.
        batch_size: examples in the batch.
        training: in train mode instead of eval mode.
    """
    with torch.device("meta"):
        model = model_class(config, n_dense, cardinalities).train(training)
    dense_BN = torch.zeros(batch_size, n_dense, device="meta")
    sparse_BF = torch.zeros(batch_size, len(cardinalities), dtype=torch.int64, device="meta")
    with FlopCounterMode(display=False) as counter, _Arithmetic() as arithmetic:
        model(dense_BN, sparse_BF)
    return Work(counter.get_total_flops(), frozenset(arithmetic.uncounted), arithmetic.elements)


class _Arithmetic(TorchDispatchMode):
    """Records what torch's counter does not count."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.uncounted: set[str] = set()
        self.elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in UNCOUNTED or name.startswith(UNCOUNTED_PREFIXES):
            self.uncounted.add(name)
        elif func.overloadpacket not in flop_registry and not func.is_view and name not in MOVES:
            tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor)]
            self.elements += max((tensor.numel() for tensor in tensors), default=0)
        return result
