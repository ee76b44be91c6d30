"""Record: everything about one trial, retrial or final run, validated on the way in and out."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

Kind = Literal["trial", "retrial", "final"]  # a retrial: a finalist trained with another seed, to choose the winner
KINDS: tuple[Kind, ...] = get_args(Kind)
Metrics = dict[str, float]
Name = Annotated[
    str, Field(pattern=r"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,63}\z")
]  # also a file's, which it cannot lead elsewhere


class Record(BaseModel):
    """Everything about one trial or one final run."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")

    schema_version: Literal[1] = 1
    kind: Kind
    status: Literal["complete", "failed", "infeasible", "duplicate"]
    error: str | None = None  # why it is not complete

    protocol: str
    protocol_id: str  # of what must be equal for records to share a table
    overrides: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()  # changes of protocol, space, data or code that the user let pass before this run
    exact: bool = True  # one worker drew the study's trials in order, so that a repetition draws them again
    dataset: Name
    data_fingerprint: str
    model: Name
    budget: float  # training MFLOP per example
    trial: int  # position in the study; of a retrial or final run, the trial whose configuration it has
    seed: int  # of initialisation, dropout and data order

    params: dict[str, Any] = {}  # as sampled
    config: dict[str, Any] = {}  # the architecture they lead to
    optimiser: dict[str, Any] = {}
    forward_flops: int | None = None  # per example
    training_flops: int | None = None  # per example, 3 x forward
    dense_parameters: int | None = None
    embedding_parameters: int | None = None

    epochs: int | None = None  # trained
    best_epoch: int | None = None  # whose weights were scored, from 1
    steps: int | None = None
    examples: int | None = None  # trained on, repeats counted
    train_seconds: float | None = None  # without validation
    seconds: float | None = None  # with it
    history: tuple[dict[str, float], ...] = ()  # train_loss and validation metrics after each epoch
    valid: Metrics | None = None
    test: Metrics | None = None
    predictions: str | None = None  # hash of the test predictions, where they were kept

    device: str | None = None
    devices: int = 1  # that trained one model together
    threads: int | None = None
    commit: str | None = None  # of the suite
    dirty: bool | None = None  # uncommitted changes
    versions: dict[str, str] = {}
    finished: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.test is not None and self.kind != "final":
            raise ValueError(f"a {self.kind} must not know the test part")
        if self.status == "complete":
            if self.valid is None or (self.test is None) == (self.kind == "final"):
                raise ValueError("a complete record needs its metrics")
        elif not self.error:
            raise ValueError(f"a record with status {self.status} must say why")
        return self

    def timeless(self) -> dict[str, Any]:
        """The record without what the clock decided: equal for equal runs on the same kind of machine."""
        return self.model_dump(exclude={"train_seconds", "seconds", "finished"})

    @property
    def study(self) -> str:
        """The name of its study."""
        return f"{self.dataset}/{self.model}/{self.budget:g}"

    @property
    def name(self) -> str:
        """Its name on the screen."""
        what = f"trial {self.trial}"
        if self.kind != "trial":
            what = f"{self.kind} run of {what}, seed {self.seed}"
        return f"{self.study} {what}"

    @property
    def examples_per_second(self) -> float | None:
        """Training throughput, validation left out."""
        return self.examples / self.train_seconds if self.examples and self.train_seconds else None
