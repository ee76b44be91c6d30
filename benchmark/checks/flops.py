"""FLOPs of a forward pass by torch's counter, and the products that the counter misses."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from models.base import Config, CTRModel

UNCOUNTED = ("mv", "dot", "vdot", "addmv", "addr", "addbmm", "bilinear", "outer", "ger", "lstm", "gru")


def counted(
    model_class: type[CTRModel],
    config: Config,
    n_dense: int,
    cardinalities: list[int],
    *,
    batch_size: int,
    training: bool,
) -> tuple[int, set[str]]:
    """Return torch's count of a forward pass on the meta device, and the names of the products that it misses.

    Args:
        model_class: the model.
        config: its architecture.
        n_dense: number of dense columns.
        cardinalities: rows of each sparse column's table.
        batch_size: examples in the batch.
        training: count in train mode instead of eval mode.
    """
    with torch.device("meta"):
        model = model_class(config, n_dense, cardinalities).train(training)
    dense_BN = torch.zeros(batch_size, n_dense, device="meta")
    sparse_BF = torch.zeros(batch_size, len(cardinalities), dtype=torch.int64, device="meta")
    with FlopCounterMode(display=False) as counter, _Products() as products:
        model(dense_BN, sparse_BF)
    return counter.get_total_flops(), products.uncounted


class _Products(TorchDispatchMode):
    """Records the products that torch's counter misses."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.uncounted: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in UNCOUNTED:
            self.uncounted.add(name)
        return func(*args, **(kwargs or {}))
