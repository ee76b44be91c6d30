"""Matrix products in a form that is fast for any width.

B batch, I and O inputs and outputs, T tokens, D embedding dimension.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

ALIGNED = 8  # floats; kernels write rows whose stride is a multiple of this up to 1.4 times as fast, whatever they read
WORTH = 300e6  # forward FLOPs of a layer and batch from which padding the rows is worth its cost


class Linear(nn.Linear):
    """nn.Linear that writes large products on a CPU to padded rows; the result is the same."""

    def forward(self, x_BI: Tensor) -> Tensor:
        """Return y_BO."""
        if self._pays(x_BI):
            y_BO: Tensor = _Padded.apply(x_BI, self.weight, self.bias)  # type: ignore[no-untyped-call]
            return y_BO
        return linear(x_BI, self.weight, self.bias)

    def _pays(self, x_BI: Tensor) -> bool:
        return (
            not torch.compiler.is_compiling()  # first: an exported program must not depend on the number of rows
            and bool(self.in_features % ALIGNED or self.out_features % ALIGNED)
            and x_BI.dim() == 2
            and 2 * x_BI.numel() * self.out_features >= WORTH
            and x_BI.dtype == self.weight.dtype == torch.float32
            and x_BI.device.type == "cpu"
            and not torch.is_autocast_enabled("cpu")
        )


def combinations(weight_OT: Tensor, x_BTD: Tensor) -> Tensor:
    """Return x_BOD, W X for each example, as a batched product.

    The result is exact. `W @ X` would transpose X into one product of B D rows and only O columns, 4 times slower on a CPU.
    """
    return torch.bmm(weight_OT.expand(x_BTD.shape[0], -1, -1), x_BTD)


class _Padded(torch.autograd.Function):
    """x W' + b, with the output and the gradients in padded rows."""

    @staticmethod
    def forward(ctx: Any, x_BI: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
        ctx.save_for_backward(x_BI, weight_OI)
        y_BO = _padded(len(x_BI), len(weight_OI))
        if bias_O is None:
            return torch.mm(x_BI, weight_OI.t(), out=y_BO)
        return torch.addmm(bias_O, x_BI, weight_OI.t(), out=y_BO)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BO: Tensor) -> tuple[Tensor | None, ...]:
        x_BI, weight_OI = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        return (
            torch.mm(grad_BO, weight_OI, out=_padded(*x_BI.shape)) if needs_x else None,
            torch.mm(grad_BO.t(), x_BI, out=_padded(*weight_OI.shape)) if needs_weight else None,
            grad_BO.sum(0) if needs_bias else None,
        )


def _padded(rows: int, columns: int) -> Tensor:
    """Return an uninitialised float32 matrix whose row stride is a multiple of ALIGNED."""
    return torch.empty_strided((rows, columns), (-(-columns // ALIGNED) * ALIGNED, 1), dtype=torch.float32)
