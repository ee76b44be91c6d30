"""Config says what a model is; Shape is a config whose widths are still free; Budget is what all models are given alike.

FLOPs are those of the forward pass for one example: 2 per multiply-add of every matrix product (linear layers, batched
products, attention), 0 for biases, activations, norms, element-wise products and embedding look-ups. Training costs
3 x forward. This is the convention behind the GFLOP/example of the Wukong paper (Tables 3 and 5).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar, Self

from optuna import Trial
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt

TRAINING_FLOPS_PER_FORWARD_FLOP = 3


@dataclass(frozen=True)
class Budget:
    """What every model is given alike: FLOPs to spend on an example, its fields and their embedding width."""

    training_flops: float  # per example, 3 x forward
    n_dense: int
    n_sparse: int
    embedding_dim: int

    @property
    def flops(self) -> float:
        """Forward FLOPs per example."""
        return self.training_flops / TRAINING_FLOPS_PER_FORWARD_FLOP


class Config(BaseModel):
    """The architecture of one model, apart from the fields it reads. Fields common to all models stand here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    embedding_dim: PositiveInt
    embedding_std: NonNegativeFloat = 0.01  # of the normal law that embeddings start from
    bottom_mlp: tuple[PositiveInt, ...] = ()  # hidden widths; empty: one embedding v_i * x_i for each dense field
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)  # after each hidden layer of the model's MLPs
    batch_norm: bool = False  # between the linear map and the activation of each hidden layer

    default: ClassVar[dict[str, Any]]  # the parameters of trial 0: a sound choice at any budget
    budgeted: ClassVar[bool] = True  # False: no width to spend FLOPs on, a line of reference off every budget

    @classmethod
    def suggest(cls, trial: Trial, budget: Budget) -> Iterator["Shape"]:
        """Yield the sampled shape, then ever smaller ones to fall back on when it cannot meet the budget.

        The parameters asked of the trial must not depend on one another, so that the search space is static.
        """
        raise NotImplementedError

    @classmethod
    def holding(cls, fields: dict[str, Any]) -> "type[Config]":
        """This kind of config with some fields held at a value in all that is suggested: a variant's.

        Raises ValidationError, when a shape is built, where the model has no such field or value.
        """
        plain = cls

        class Held(cls):  # type: ignore[valid-type,misc]
            @classmethod
            def suggest(cls, trial: Trial, budget: Budget) -> Iterator[Shape]:
                for shape in plain.suggest(trial, budget):
                    yield replace(shape, build=partial(cls._held, shape.build))

            @classmethod
            def _held(cls, build: Callable[..., Config], *widths: int) -> Config:
                return cls(**{**build(*widths).model_dump(), **fields})

        return Held

    def flops(self, n_dense: int, n_sparse: int) -> int:
        """Forward FLOPs for one example."""
        raise NotImplementedError

    def flops_per_batch(self, n_dense: int, n_sparse: int) -> int:
        """Forward FLOPs spent once a batch, whatever its size."""
        return 0

    def n_tokens(self, n_dense: int, n_sparse: int) -> int:
        """How many embeddings the interaction sees: one for each sparse field, and those of the dense fields."""
        return n_sparse + (min(n_dense, 1) if self.bottom_mlp else n_dense)

    def embedding_flops(self, n_dense: int) -> int:
        """Forward FLOPs that turn the dense fields into embeddings."""
        if not (n_dense and self.bottom_mlp):
            return 0
        widths = (n_dense, *self.bottom_mlp, self.embedding_dim)
        return 2 * sum(a * b for a, b in pairwise(widths))

    def with_field(self, name: str, value: object) -> Self:
        """This config with one field changed; raises ValueError where the model cannot have that value."""
        return type(self)(**{**self.model_dump(), name: value})


@dataclass(frozen=True)
class Shape:
    """A sampled architecture whose widths are still free.

    `build(w_1, ..., w_k)` is the config with those widths, and its FLOPs grow with each of them. `shares` gives the part
    of the budget that each width but the last may spend; the last takes the rest. `trim` names the tuples of hidden
    widths whose single entries may be moved afterwards to come closer to the budget.
    """

    build: Callable[..., Config]
    shares: tuple[float, ...] = ()
    trim: tuple[str, ...] = ()
