"""Execution: precision, compilation and the optimiser of the embedding tables. The defaults are exact."""

from contextlib import nullcontext
from functools import cache
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from models.base.optimiser import SparseOptimiser

# dense_BN float32, sparse_BF int32 or int64, label_B float32; then group_B int32, if rows have groups, and weight_B float32
# if they have weights
Batch = tuple[Tensor, ...]


def groups_and_weights(batch: Batch) -> tuple[Tensor | None, Tensor | None]:
    """Return group_B and weight_B of a batch, None for what its rows do not have: integers are groups, floats weights."""
    further = {part.is_floating_point(): part for part in batch[3:]}
    return further.get(False), further.get(True)


class Execution(BaseModel):
    """Options that trade numerical accuracy for speed; a protocol names the ones it uses."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sparse_optimiser: SparseOptimiser = "adam"  # of the embedding tables; adam is dense and exact
    precision: Literal["fp32", "bf16"] = "fp32"  # bf16: matrix products by autocast; weights and loss stay fp32
    compile: bool = False  # torch.compile, with CUDA graphs on a GPU

    def logits(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the model's logit_B in float32."""
        dense_BN, sparse_BF, label_B, *_ = batch
        # fp32 leaves a caller's autocast in force, such as that of Lightning's Trainer(precision="bf16-mixed")
        bf16 = torch.autocast(label_B.device.type, torch.bfloat16) if self.precision == "bf16" else nullcontext()
        with bf16:
            logit_B: Tensor = model(dense_BN, sparse_BF)
        return logit_B.float()

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the mean over the batch's rows of the cross-entropy, times its weight where rows have weights.

        A data set gives weights over their mean in the train part, so the loss is sum_i w_i l_i / (B mean w). Dividing by the
        batch's own sum of weights instead would let a row count more the less its neighbours weigh: a biased estimate of the
        part's weighted mean, and undefined for a batch without any weight. With equal weights it is the plain mean.
        """
        if self.compile:
            loss: Tensor = compiled()(self, model, batch)
            return loss.clone()  # the next replay of a CUDA graph overwrites its outputs
        return _loss(self, model, batch)


def _loss(execution: Execution, model: nn.Module, batch: Batch) -> Tensor:
    _, weight_B = groups_and_weights(batch)
    return binary_cross_entropy_with_logits(execution.logits(model, batch), batch[2], weight_B)


@cache
def compiled() -> Any:
    """Return the compiled loss. The model is an argument, so that models of equal shapes share one compilation."""
    return torch.compile(_loss, dynamic=False, mode="reduce-overhead" if torch.cuda.is_available() else None)
