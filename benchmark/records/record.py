"""Record: everything about one trial, retrial or final run, validated on the way in and out."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

# retrial: a finalist trained with another seed, to choose the winner; doubled: the winner with twice the epochs
Kind = Literal["trial", "retrial", "final", "doubled"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# pruned: a trial that its block's pruner ended early; collapsed: trained, but does not rank; exhausted: there is no further
# point in the search space
Status = Literal["complete", "pruned", "collapsed", "failed", "infeasible", "duplicate", "exhausted"]
Metrics = dict[str, float]
# Names are parts of file names; this pattern keeps them inside the results folder.
Name = Annotated[str, Field(pattern=r"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,63}\z")]
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]  # fits a column of a frame


class Record(BaseModel):
    """Everything about one trial, retrial or final run."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")

    schema_version: Literal[1] = 1
    kind: Kind
    status: Status
    error: str | None = None  # why the run is not complete

    protocol: str
    protocol_id: str  # identity of the protocol; equal in all records of one table
    overrides: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()  # changes of protocol, space, data or code that the user accepted before this run
    exact: bool = True  # one worker drew the study's trials in order, so rerunning draws the same trials
    dataset: Name
    data_fingerprint: str
    model: Name
    budget: Annotated[float, Field(ge=0, allow_inf_nan=False)]  # training MFLOP per example; 0 where there is none
    block: Whole = 1  # which of the study's independent searches, counted from 1; 0.1 had one
    trial: Whole  # position in the block; for a retrial or final run, the trial that has its configuration
    seed: Whole  # of initialisation, dropout and data order

    params: dict[str, Any] = {}  # as sampled
    config: dict[str, Any] = {}  # the resulting architecture
    optimiser: dict[str, Any] = {}
    forward_flops: Whole | None = None  # per example
    training_flops: Whole | None = None  # per example, 3 x forward
    dense_parameters: Whole | None = None
    embedding_parameters: Whole | None = None

    batch_size: Whole | None = None  # 0.1 had that of its protocol
    epochs: Whole | None = None  # number of epochs trained
    best_epoch: Whole | None = None  # the epoch whose weights were scored, counted from 1
    steps: Whole | None = None
    examples: Whole | None = None  # examples trained on, counting repeats
    train_seconds: float | None = None  # excluding validation
    seconds: float | None = None  # including validation
    history: tuple[dict[str, float], ...] = ()  # train_loss and validation metrics of each epoch
    valid: Metrics | None = None
    test: Metrics | None = None
    predictions: str | None = None  # hash of the test predictions, if they were kept

    device: str | None = None
    devices: Whole = 1  # number of devices that trained one model together
    threads: Whole | None = None
    commit: str | None = None  # of the suite
    dirty: bool | None = None  # uncommitted changes
    # of the file of a model that is not shipped; records of shipped models do not have the key
    model_sha256: str | None = Field(default=None, pattern=r"\A[0-9a-f]{64}\z", exclude_if=lambda value: value is None)
    versions: dict[str, str] = {}
    finished: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.test is not None and self.kind != "final":
            raise ValueError(f"a {self.kind} must not have test metrics")
        if self.status == "complete":
            if self.valid is None or (self.test is None) == (self.kind == "final"):
                raise ValueError("a complete record needs validation metrics; a final run also needs test metrics")
        elif not self.error:
            raise ValueError(f"a record with status {self.status} needs an error")
        if self.status == "pruned":
            if self.kind != "trial":
                raise ValueError(f"a {self.kind} cannot be pruned, only a trial can")
            if self.valid is None or not self.history or len(self.history) != self.epochs:
                raise ValueError("a pruned record needs validation metrics and the history of its epochs")
        return self

    def timeless(self) -> dict[str, Any]:
        """Return the record without its times; equal for equal runs on the same kind of machine."""
        return self.model_dump(exclude={"train_seconds", "seconds", "finished"})

    @property
    def study(self) -> str:
        """Return the name of the record's study: all blocks of a data set, model and budget."""
        return f"{self.dataset}/{self.model}/{self.budget:g}"

    @property
    def name(self) -> str:
        """Return the record's name as displayed."""
        run = f"trial {self.trial}"
        if self.kind != "trial":
            run = f"{self.kind} run of {run}, seed {self.seed}"
        return f"{self.study} block {self.block} {run}"

    @property
    def compute(self) -> float | None:
        """Return the FLOP of the whole training: FLOPs per example x examples trained on."""
        if self.training_flops is None or self.examples is None:
            return None
        return float(self.training_flops) * self.examples
