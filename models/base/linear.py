"""A linear layer whose matrix products are fast for any width. B batch, I and O inputs and outputs."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

ALIGNED = 8  # floats; a kernel writes rows of a multiple of it up to 1.4 times as fast, whatever it reads
WORTH = 300e6  # forward FLOPs of a batch in a layer, from which that outweighs what it costs


class Linear(nn.Linear):
    """nn.Linear. On a CPU large products are written to rows with a little room behind them, with the same result."""

    def forward(self, x_BI: Tensor) -> Tensor:
        """Return y_BO."""
        if self._pays(x_BI):
            y_BO: Tensor = _Roomy.apply(x_BI, self.weight, self.bias)  # type: ignore[no-untyped-call]
            return y_BO
        return linear(x_BI, self.weight, self.bias)

    def _pays(self, x_BI: Tensor) -> bool:
        return (
            bool(self.in_features % ALIGNED or self.out_features % ALIGNED)
            and x_BI.dim() == 2
            and 2 * x_BI.numel() * self.out_features >= WORTH
            and x_BI.dtype == self.weight.dtype == torch.float32
            and x_BI.device.type == "cpu"
            and not torch.is_autocast_enabled("cpu")
            and not torch.compiler.is_compiling()
        )


class _Roomy(torch.autograd.Function):
    """x W' + b, its output and its gradients written to rows of a multiple of ALIGNED."""

    @staticmethod
    def forward(ctx: Any, x_BI: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
        ctx.save_for_backward(x_BI, weight_OI)
        y_BO = _roomy(len(x_BI), len(weight_OI))
        if bias_O is None:
            return torch.mm(x_BI, weight_OI.t(), out=y_BO)
        return torch.addmm(bias_O, x_BI, weight_OI.t(), out=y_BO)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BO: Tensor) -> tuple[Tensor | None, ...]:
        x_BI, weight_OI = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        return (
            torch.mm(grad_BO, weight_OI, out=_roomy(*x_BI.shape)) if of_x else None,
            torch.mm(grad_BO.t(), x_BI, out=_roomy(*weight_OI.shape)) if of_weight else None,
            grad_BO.sum(0) if of_bias else None,
        )


def _roomy(rows: int, columns: int) -> Tensor:
    """An empty float32 matrix whose rows begin at multiples of ALIGNED."""
    return torch.empty_strided((rows, columns), (-(-columns // ALIGNED) * ALIGNED, 1), dtype=torch.float32)
