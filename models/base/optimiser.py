"""What follows the backward pass: L2, clipping and the optimisers, with the gradient of a table kept as rows until then.

A gather's dense gradient is as large as its table, and making it afresh at each step costs more than Adam itself. Autograd
can leave it as a list of rows instead; `Update` sums those into one buffer that lasts (dense Adam, the same sums in the
same order), or hands them to a row-wise optimiser, whose cost does not grow with the table.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveFloat
from torch import Tensor, nn

from models.base.rowwise import LazyAdam, RowwiseAdagrad, row_sums

SparseOptimiser = Literal["adam", "lazy_adam", "rowwise_adagrad"]
ROWWISE: dict[str, type[LazyAdam] | type[RowwiseAdagrad]] = {"lazy_adam": LazyAdam, "rowwise_adagrad": RowwiseAdagrad}

CLEARED_WHOLE = 8  # a buffer of fewer rows than this for each gathered one is cleared faster as a whole


class Optimiser(BaseModel):
    """Adam and its regularisation, the same kind for every model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rate: PositiveFloat = 1e-3
    table_rate: PositiveFloat = 1.0  # times the learning rate: that of a row-wise optimiser (Wukong App. A: 100)
    embedding_l2: NonNegativeFloat = 0.0  # lambda of lambda/2 * ||E||^2, every row of every table at every step (BARS)
    weight_decay: NonNegativeFloat = 0.0  # the same lambda for all other parameters
    clip_norm: NonNegativeFloat = 10.0  # of the gradient of all parameters together; 0: not clipped


class Update:
    """One optimisation step from the gradients that backward left, which are gone afterwards.

    The gradients of `tables` may come as rows; `embeddings` are all parameters with the embeddings' L2, those of the
    tables among them. Under a row-wise optimiser only the rows of the batch get their L2.
    """

    def __init__(
        self,
        tables: Sequence[nn.Embedding],
        embeddings: Sequence[nn.Parameter],
        dense: Sequence[nn.Parameter],
        settings: Optimiser,
        sparse_optimiser: SparseOptimiser = "adam",
    ):
        self.settings, self.embeddings = settings, list(embeddings)
        self.parameters = [*embeddings, *dense]
        rowwise = [table.weight for table in tables] if sparse_optimiser != "adam" else []
        self._rowwise = {id(weight) for weight in rowwise}
        groups = [
            {"params": [p for p in embeddings if id(p) not in self._rowwise], "weight_decay": 0.0},
            {"params": list(dense), "weight_decay": settings.weight_decay},
        ]
        self.optimisers: list[torch.optim.Optimizer] = []
        if groups := [group for group in groups if group["params"]]:
            self.optimisers.append(torch.optim.Adam(groups, lr=settings.learning_rate, fused=True))
        if rowwise:
            self.optimisers.append(ROWWISE[sparse_optimiser](rowwise, {"lr": 0.0, "times": settings.table_rate}))
        self.set_learning_rate(settings.learning_rate)
        self._buffers: dict[nn.Parameter, Tensor] = {}

    def set_learning_rate(self, rate: float) -> None:
        """Use this rate from the next step on."""
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate * group.get("times", 1.0)

    @torch.no_grad()
    def step(self) -> None:
        """L2, clipping, update; in this order, so that clipping sees the L2, as in BARS."""
        gathered = {p: p.grad for p in self.embeddings if p.grad is not None}
        for p, gradient in gathered.items():
            p.grad = self._regularised(p, gradient)
        if self.settings.clip_norm:
            self._clip()
        for optimiser in self.optimisers:
            optimiser.step()
        for p in self.parameters:
            p.grad = None
        for p, gradient in gathered.items():
            self._clear(p, gradient)

    def _regularised(self, p: nn.Parameter, gradient: Tensor) -> Tensor:
        """The gradient as its optimiser takes it, with L2."""
        l2 = self.settings.embedding_l2
        if not gradient.is_sparse:
            return gradient.add_(p, alpha=l2) if l2 else gradient
        if id(p) in self._rowwise:
            rows = row_sums(gradient)
            if l2:
                rows._values().add_(p.index_select(0, rows._indices()[0]), alpha=l2)
            return rows
        if p not in self._buffers:
            self._buffers[p] = torch.zeros_like(p)
        buffer = self._buffers[p]
        if l2:  # in place of clearing
            torch.mul(p, l2, out=buffer)
        return buffer.index_add_(0, gradient._indices()[0], gradient._values())

    def _clear(self, p: nn.Parameter, gradient: Tensor) -> None:
        """Make the buffer 0 again where this gradient was summed."""
        if p not in self._buffers or self.settings.embedding_l2:
            return
        row = gradient._indices()[0]
        if len(p) < CLEARED_WHOLE * len(row):
            self._buffers[p].zero_()
        else:
            self._buffers[p].index_fill_(0, row, 0.0)

    def _clip(self) -> None:
        """Scale all gradients so that their norm together is at most `clip_norm`."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        dense = [gradient._values() if gradient.is_sparse else gradient for gradient in gradients]
        norm = nn.utils.get_total_norm(dense)
        if norm.is_cuda or norm > self.settings.clip_norm:  # the host must not wait for a GPU; on a CPU a pass is saved
            torch._foreach_mul_(dense, (self.settings.clip_norm / (norm + 1e-6)).clamp(max=1.0))
