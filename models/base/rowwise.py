"""Optimisers that update only the rows of a table that the batch gathered. R distinct rows, D embedding dimension.

Both take gradients in the form that `row_sums` returns. Their results differ from dense Adam's, so a protocol must name them.
"""

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

BETAS, EPSILON = (0.9, 0.999), 1e-8


def row_sums(gradient: Tensor) -> Tensor:
    """Return a table's sparse gradient with each row once, in ascending order; duplicates are summed in batch order."""
    row_R, position = gradient._indices()[0].unique(return_inverse=True)
    value = gradient._values()
    value_RD = value.new_zeros(len(row_R), value.shape[1]).index_add_(0, position, value)
    return torch.sparse_coo_tensor(row_R[None], value_RD, gradient.shape, is_coalesced=True, check_invariants=False)


class LazyAdam(torch.optim.Optimizer):
    """Adam on the gathered rows; the moments and weights of all other rows do not change.

    The bias corrections count all steps, including those that miss a row, as in TensorFlow's LazyAdam.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update the gathered rows."""
        for group in self.param_groups:
            for table in group["params"]:
                if table.grad is not None:
                    self._update(table, group["lr"])

    def _update(self, table: nn.Parameter, rate: float) -> None:
        state = self.state[table]
        if not state:
            state["mean"], state["square"] = torch.zeros_like(table), torch.zeros_like(table)
            state["step"] = torch.zeros((), device=table.device)
        row_R, gradient_RD = table.grad._indices()[0], table.grad._values()  # type: ignore[union-attr]
        whole = (table, state["mean"], state["square"])
        weight_RD, mean_RD, square_RD = (x.index_select(0, row_R) for x in whole)
        adam(
            [weight_RD],
            [gradient_RD],
            [mean_RD],
            [square_RD],
            [],
            [state["step"]],
            fused=True,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=rate,
            weight_decay=0.0,
            eps=EPSILON,
            maximize=False,
        )
        for x, x_RD in zip(whole, (weight_RD, mean_RD, square_RD), strict=True):
            x.index_copy_(0, row_R, x_RD)


class RowwiseAdagrad(torch.optim.Optimizer):
    """s_r += mean_d g_rd^2;  w_r -= rate g_r / (sqrt(s_r) + epsilon): one accumulator per row (Wukong App. A, FBGEMM)."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update the gathered rows."""
        for group in self.param_groups:
            for table in group["params"]:
                if table.grad is None:
                    continue
                row_R, gradient_RD = table.grad._indices()[0], table.grad._values()
                state = self.state[table]
                if not state:
                    state["sum"] = torch.zeros(len(table), device=table.device)
                sum_R = state["sum"].index_select(0, row_R) + gradient_RD.square().mean(1)
                state["sum"].index_copy_(0, row_R, sum_R)
                scale_R1 = (sum_R.sqrt() + EPSILON).reciprocal_().mul_(-group["lr"]).unsqueeze(1)
                table.index_add_(0, row_R, gradient_RD * scale_R1)
