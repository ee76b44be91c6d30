"""What follows the backward pass: L2, clipping and the optimisers.

The dense gradient of a gather is as large as its table, and allocating it at every step costs more than Adam itself. Autograd
can keep the gradient as a list of rows instead. `Update` sums these into one persistent buffer (dense Adam, the same sums in
the same order) or hands them to a row-wise optimiser, whose cost does not grow with the table.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveFloat
from torch import Tensor, nn

from models.base.rowwise import LazyAdam, RowwiseAdagrad, row_sums

SparseOptimiser = Literal["adam", "lazy_adam", "rowwise_adagrad"]
ROWWISE: dict[str, type[LazyAdam] | type[RowwiseAdagrad]] = {"lazy_adam": LazyAdam, "rowwise_adagrad": RowwiseAdagrad}

CLEARED_WHOLE = 8  # a buffer with fewer rows than this per gathered row is faster to clear whole


class Optimiser(BaseModel):
    """Settings of Adam and its regularisation, of the same kind for every model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rate: PositiveFloat = 1e-3
    table_rate: PositiveFloat = 1.0  # a row-wise optimiser's rate over the learning rate (Wukong App. A: 100)
    embedding_l2: NonNegativeFloat = 0.0  # lambda of lambda/2 * ||E||^2, every row of every table at every step (BARS)
    weight_decay: NonNegativeFloat = 0.0  # the same lambda for all other parameters
    clip_norm: NonNegativeFloat = 10.0  # bound on the norm of all gradients together; 0: no clipping


class Update:
    """One optimisation step on the gradients that backward left; it clears them.

    Under a row-wise optimiser only the rows of the batch get L2.

    Args:
        tables: embedding tables, whose gradients may come as rows.
        embeddings: all parameters with the embeddings' L2, including those of `tables`.
        dense: all other parameters.
        settings: learning rate and regularisation.
        sparse_optimiser: the optimiser of `tables`.
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
        """Use this learning rate from the next step on."""
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate * group.get("times", 1.0)

    @torch.no_grad()
    def step(self, first: torch.optim.Optimizer | None = None) -> None:
        """Apply L2, then clipping, then the update, so that clipping includes the L2 gradient, as in BARS.

        `first` stands for the first optimiser: Lightning's wrapper of it, which counts. Wrapping all would count each.
        """
        gathered = {p: p.grad for p in self.embeddings if p.grad is not None}
        for p, gradient in gathered.items():
            p.grad = self._regularised(p, gradient)
        if self.settings.clip_norm:
            self._clip()
        for optimiser in [first or self.optimisers[0], *self.optimisers[1:]]:
            optimiser.step()
        for p in self.parameters:
            p.grad = None
        for p, gradient in gathered.items():
            self._clear(p, gradient)

    def _regularised(self, p: nn.Parameter, gradient: Tensor) -> Tensor:
        """Return the gradient plus L2 in the form its optimiser takes."""
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
        if l2:  # overwrites the buffer, so it needs no clearing
            torch.mul(p, l2, out=buffer)
        return buffer.index_add_(0, gradient._indices()[0], gradient._values())

    def _clear(self, p: nn.Parameter, gradient: Tensor) -> None:
        """Zero the buffer where this gradient was summed."""
        if p not in self._buffers or self.settings.embedding_l2:
            return
        row = gradient._indices()[0]
        if len(p) < CLEARED_WHOLE * len(row):
            self._buffers[p].zero_()
        else:
            self._buffers[p].index_fill_(0, row, 0.0)

    def _clip(self) -> None:
        """Scale all gradients so that their joint norm is at most `clip_norm`."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        dense = [gradient._values() if gradient.is_sparse else gradient for gradient in gradients]
        norm = nn.utils.get_total_norm(dense)
        # comparing would wait for a GPU; on a CPU it saves a pass
        if norm.is_cuda or norm > self.settings.clip_norm:
            torch._foreach_mul_(dense, (self.settings.clip_norm / (norm + 1e-6)).clamp(max=1.0))
