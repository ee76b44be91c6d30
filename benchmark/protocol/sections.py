"""The sections of a protocol: how models are trained, searched and measured. Every number is checked by type and range."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, StrictBool, field_validator, model_validator

from benchmark.protocol.numbers import Blocks, Count, Epochs, Inside, Part, Positive, Seed, Share, Strength, Trials
from benchmark.protocol.totals import grown


class Section(BaseModel):
    """A section of a protocol; unknown keys are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Training(Section):
    """How one model is trained; the same for trials, retrials and final runs."""

    batch_size: Count = 1024
    batch_rows: Count | None = None  # train rows for which batch_size is meant, see rows_per_step; None: always
    epochs: Epochs = 1  # maximum
    patience: Epochs = 1  # stop after this many consecutive epochs without improvement; if not given, never: epochs
    monitor: Literal["auc", "logloss"] = "logloss"  # validation metric that selects epochs, trials and configs
    schedule: Literal["constant", "linear", "plateau"] = "constant"  # of the learning rate, see training.loop.Selection
    # fraction of the maximum number of steps in which the learning rate rises to its full value
    warmup: Share = 0.0
    clip_norm: Strength = 10.0  # largest norm of the gradient of all parameters together; 0: no clipping
    sparse_optimiser: Literal["adam", "lazy_adam", "rowwise_adagrad"] = "adam"  # of the embeddings; adam: dense, exact
    precision: Literal["fp32", "bf16"] = "fp32"  # of the matrix products
    compile: StrictBool = False  # torch.compile, with CUDA graphs on a GPU
    train_rows: Count | None = None  # use only the first rows of the train part; None: all

    @model_validator(mode="before")
    @classmethod
    def _to_the_end(cls, values: Any) -> Any:
        """Let a training go on to its last epoch: under a rate that falls to zero, one bad epoch in the middle says nothing."""
        return {"patience": values["epochs"], **values} if isinstance(values, dict) and "epochs" in values else values

    def rows_per_step(self, rows: int) -> int:
        """Return the batch size for that many train rows, which grows with their square root if `batch_rows` is set."""
        return self.batch_size if self.batch_rows is None else grown(self.batch_size, rows / self.batch_rows)


def _unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        raise ValueError(f"{list(values)} contain duplicates")
    return values


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("[] is empty; give at least one value")
    return _unique(values)


Unique, Distinct = AfterValidator(_unique), AfterValidator(_distinct)  # the second without the empty list
Seeds = Annotated[tuple[Seed, ...], Distinct]


class Search(Section):
    """How each (data set, model, budget) is tuned."""

    blocks: Blocks = 4  # independent searches, each with its own draws, winner and final runs
    trials: Trials = 10  # complete and pruned ones of each block; infeasible and duplicate draws are extra
    train_share: Part = (
        1.0  # of the train part's rows, the first ones, that trials and retrials train on; final runs on all
    )
    sampler: Literal["tpe", "random"] = "tpe"
    seed: Seed = 0
    learning_rate: tuple[Positive, Positive] = (1e-4, 3e-2)  # ends of a log-uniform range
    embedding_l2: Annotated[tuple[Strength, ...], Distinct] = (0.0,)  # choices
    weight_decay: Annotated[tuple[Strength, ...], Distinct] = (0.0,)  # choices
    dropout: Annotated[tuple[Share, ...], Distinct] = (0.0,)  # choices
    normalisation: Annotated[tuple[Literal["none", "batch"], ...], Distinct] = (
        "none",
    )  # choices, of hidden layers of MLPs
    embedding_std: Annotated[tuple[Positive, ...], Distinct] = (
        0.01,
    )  # choices, of the normal distribution at the start
    pruner: Literal["none", "percentile", "halving"] = "none"  # rule that ends trials early, see training.pruning
    prune_from: Epochs | None = None  # first epoch after which a trial may be pruned; None: half of the epochs
    prune_after: Trials = 3  # complete trials that percentile waits for
    prune_keep: Inside = 0.75  # share that percentile keeps; 0.5: Optuna's median pruner
    finalists: Trials = 1  # best trials that are retrained before the winner is chosen; 1: the best trial wins
    retrial_seeds: Seeds = (101, 102, 103)

    @property
    def n_retrials(self) -> int:
        """Return the number of trainings that choose among a study's finalists."""
        return self.finalists * len(self.retrial_seeds) if self.finalists > 1 else 0

    @model_validator(mode="after")
    def _enough_trials(self) -> Self:
        if self.finalists > self.trials:
            raise ValueError(f"finalists {self.finalists} exceeds trials {self.trials}; use at most {self.trials}")
        return self

    @model_validator(mode="after")
    def _used_settings(self) -> Self:
        used = {"none": (), "percentile": ("prune_from", "prune_after", "prune_keep"), "halving": ("prune_from",)}
        for key in used["percentile"]:
            if key not in used[self.pruner] and getattr(self, key) != Search.model_fields[key].default:
                raise ValueError(
                    f"{key} has no meaning with pruner {self.pruner!r}; remove it or choose another pruner"
                )
        return self

    @field_validator("learning_rate")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] > value[1]:
            raise ValueError(f"the range {list(value)} is reversed; give the lower end first")
        return value


class Final(Section):
    """How the winner of each block is measured on the test part."""

    seeds: Seeds = (1, 2, 3)  # as many for every block; each block derives its own, see benchmark.study.Study.seed
