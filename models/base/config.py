"""Config describes a model; Shape is a config whose widths are still free; Budget is the same for every model.

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
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt, model_validator

TRAINING_FLOPS_PER_FORWARD_FLOP = 3
NARROW, NARROWEST = 16, 8  # hidden widths: no narrower where the budget allows; never narrower
WIDEST = 65_536  # hidden width; the widest of the Wukong paper's Table 5 that trained is 32,768
AIDS = (
    "dropout",
    "batch_norm",
    "embedding_std",
)  # settings of a config that the protocol's space sets, for all models alike


@dataclass(frozen=True)
class Budget:
    """The FLOPs to spend on an example, its fields and their embedding width: the same for every model."""

    training_flops: float  # per example, 3 x forward
    n_dense: int
    n_sparse: int
    embedding_dim: int
    user_fields: tuple[int, ...] = ()  # positions of the fields that describe the user, dense fields first
    item_fields: tuple[int, ...] = ()

    @property
    def flops(self) -> float:
        """Return the forward FLOPs per example."""
        return self.training_flops / TRAINING_FLOPS_PER_FORWARD_FLOP


class Config(BaseModel):
    """The architecture of one model, apart from the fields it reads. The settings common to all models are here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    embedding_dim: PositiveInt
    embedding_std: NonNegativeFloat = 0.01  # standard deviation of the normal distribution that initialises embeddings
    bottom_mlp: tuple[PositiveInt, ...] = ()  # hidden widths; empty: one embedding v_i * x_i for each dense field
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)  # after each hidden layer of the MLPs above the embeddings
    batch_norm: bool = False  # between the linear map and the activation of each hidden layer

    default: ClassVar[dict[str, Any]]  # the shape parameters of trial 0: a sound choice
    budgeted: ClassVar[bool] = True  # False: no width to spend FLOPs on; a reference model, not matched to a budget

    @classmethod
    def suggest(cls, trial: Trial, budget: Budget) -> Iterator["Shape"]:
        """Yield the sampled shape, then ever smaller ones to fall back on if it cannot meet the budget.

        Which parameters are suggested must not depend on the values drawn, so that the search space is static.
        """
        raise NotImplementedError

    @classmethod
    def default_at(cls, budget: Budget) -> dict[str, Any]:
        """Return the shape parameters of trial 0 at a budget."""
        return cls.default

    @classmethod
    def holding(cls, fields: dict[str, Any]) -> "type[Config]":
        """Return a variant's config class: these fields are its defaults, and no config of it has other values.

        Raises ValidationError, when a config is built, if the model has no such field or value.
        """
        plain = cls

        class Held(cls):  # type: ignore[valid-type,misc]
            @model_validator(mode="before")
            @classmethod
            def _filled(cls, given: dict[str, Any]) -> dict[str, Any]:
                return {**fields, **given}

            @model_validator(mode="after")
            def _unchanged(self) -> Self:
                values = self.model_dump(mode="json", include=set(fields))
                if changed := {name: value for name, value in values.items() if value != fields[name]}:
                    raise ValueError(f"the variant holds {fields} and allows no other value, got {changed}")
                return self

            @classmethod
            def suggest(cls, trial: Trial, budget: Budget) -> Iterator[Shape]:
                for shape in plain.suggest(trial, budget):
                    yield replace(shape, build=partial(cls._held, shape.build))

            @classmethod
            def _held(cls, build: Callable[..., Config], *widths: int) -> Config:
                return cls(**{**build(*widths).model_dump(), **fields})

        return Held

    def flops(self, n_dense: int, n_sparse: int) -> int:
        """Return the forward FLOPs per example."""
        raise NotImplementedError

    def flops_per_batch(self, n_dense: int, n_sparse: int) -> int:
        """Return the forward FLOPs spent once per batch, whatever its size."""
        return 0

    def n_tokens(self, n_dense: int, n_sparse: int) -> int:
        """Return the number of embeddings that enter the interaction: one per sparse field, and those of the dense fields."""
        return n_sparse + (min(n_dense, 1) if self.bottom_mlp else n_dense)

    def embedding_flops(self, n_dense: int) -> int:
        """Return the forward FLOPs per example of turning fields into embeddings."""
        if not (n_dense and self.bottom_mlp):
            return 0
        widths = (n_dense, *self.bottom_mlp, self.embedding_dim)
        return 2 * sum(a * b for a, b in pairwise(widths))

    def with_field(self, name: str, value: object) -> Self:
        """Return this config with one field changed. Raises ValueError if the model does not allow that value."""
        return type(self)(**{**self.model_dump(), name: value})


@dataclass(frozen=True)
class Shape:
    """A sampled architecture whose widths are still free.

    `build(w_1, ..., w_k)` returns the config with those widths; its FLOPs grow with each of them. `shares` is the fraction
    of the budget that each width but the last may spend; the last takes the rest. `trim` names the tuples of hidden
    widths whose entries the solver may then adjust one by one to come closer to the budget. `least` are the smallest values
    of the first widths, where they are not hidden widths; `widest` bounds all.
    """

    build: Callable[..., Config]
    shares: tuple[float, ...] = ()
    trim: tuple[str, ...] = ()
    least: tuple[int, ...] = ()
    widest: int = WIDEST
