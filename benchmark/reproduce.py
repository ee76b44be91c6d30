"""Published configurations trained anew, ours beside theirs: `benchmark/published/<name>.toml` says what was published.

No search, no budget: each row of a published table is one configuration, trained by the rules of its source with several
seeds. The records of a reproduction stand apart from those of protocols, since its models do not compete.
"""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, ValidationError

from benchmark import protocol as protocols
from benchmark import records
from benchmark.protocol import Final, Protocol, ProtocolError, Section, Seeds, Training
from benchmark.records import Record
from benchmark.study import OnEvent, Study

FOLDER = Path(__file__).parent / "published"


class Row(Section):
    """A row of a published table: what was trained, and what came of it."""

    model: str  # ours
    published_as: str
    source: str  # of the configuration
    auc: float
    logloss: float
    seed_aucs: tuple[float, ...] = ()  # where the source has several runs
    parameters: PositiveInt | None = None  # not in all logs
    training_mflop: NonNegativeFloat | None = None  # per example
    note: str = ""
    within: NonNegativeFloat = 0.002  # of the published AUC: reproduced
    embedding_l2: NonNegativeFloat = 0.0
    config: dict[str, Any] = {}


class Reproduction(Section):
    """A published table."""

    name: str
    title: str
    dataset: str
    source: str
    caveat: str  # what a reader must know before comparing
    seeds: Seeds = (1, 2, 3)
    training: Training
    learning_rate: PositiveFloat = 1e-3
    table_rate: PositiveFloat = 1.0  # times the learning rate: that of a row-wise optimiser of the tables
    config: dict[str, Any] = {}  # of all rows
    rows: tuple[Row, ...] = Field(min_length=1)

    def settings(self, row: Row) -> dict[str, Any]:
        """The fields of the row's model configuration."""
        return {**self.config, **row.config}

    def protocol(self) -> Protocol:
        """What is equal for all rows, in the form that trains a study."""
        return Protocol(
            name=self.name,
            title=self.title,
            datasets=(self.dataset,),
            models=tuple(dict.fromkeys(row.model for row in self.rows)),
            budgets=(1.0,),  # none is asked for
            embedding_dim=self.config.get("embedding_dim", 1),
            training=self.training,
            final=Final(seeds=self.seeds),
        )

    def optimiser(self, row: Row) -> dict[str, Any]:
        """The fields of the row's optimiser."""
        return {
            "learning_rate": self.learning_rate,
            "table_rate": self.table_rate,
            "embedding_l2": row.embedding_l2,
            "clip_norm": self.training.clip_norm,
        }


@dataclass(frozen=True)
class FixedStudy(Study):
    """One published configuration and its runs, one for each seed; its records' `trial` is its row."""

    row: int = 0
    published_as: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    optimiser: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name on the screen."""
        return f"{self.dataset}/{self.published_as}"

    def records(self) -> list[Record]:
        """Its records so far."""
        path = records.record_file(self.results, self.dataset, self.model)
        return [record for record in records.read_file(path) if record.trial == self.row] if path.exists() else []

    def seeds_left(self) -> list[int]:
        """Seeds without a complete run."""
        done = {record.seed for record in self.records() if record.status == "complete"}
        return [seed for seed in self.protocol.final.seeds if seed not in done]

    def runs_left(self) -> int:
        """How many trainings it still needs."""
        return len(self.seeds_left())

    def keep_predictions(self, seed: int, logits: object, labels: object) -> str | None:
        """Not kept: a published table has no rows to compare them with."""
        return None

    def execute(self, on_event: OnEvent) -> None:
        """Train what is missing."""
        from benchmark.runner import Runner  # with torch
        from models.base import Optimiser

        with Runner(self, on_event, self) as runner:
            config = runner.model.Config.model_validate(self.config)
            optimiser = Optimiser.model_validate(self.optimiser)
            for seed in self.seeds_left():
                runner.keep(runner.once("final", self.row, seed, 0, config, optimiser, params={}))


def names() -> list[str]:
    """Names of the published tables that can be reproduced."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str) -> Reproduction:
    """The published table of that name. Raises ProtocolError."""
    if name not in names():
        raise ProtocolError(f"no published table {name!r}; {protocols.nearest(name, names())}")
    try:
        return Reproduction.model_validate(
            {"name": name, **tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))}
        )
    except ValidationError as error:
        raise ProtocolError(f"{name}.toml: {error}") from None


def studies(
    table: Reproduction, results: Path, n_fields: tuple[int, int], data_dir: Path | None = None, device: str = "cpu"
) -> list[FixedStudy]:
    """The configurations as studies. Reads the models' files."""
    import models
    from models.base.config import TRAINING_FLOPS_PER_FORWARD_FLOP

    protocol = table.protocol()
    found = []
    for i, row in enumerate(table.rows):
        config = models.load(row.model).Config.model_validate(table.settings(row))
        mflop = TRAINING_FLOPS_PER_FORWARD_FLOP * config.flops(*n_fields) / 1e6
        found.append(
            FixedStudy(
                protocol,
                table.dataset,
                row.model,
                mflop,
                results,
                "",
                data_dir,
                device,
                row=i,
                published_as=row.published_as,
                config=table.settings(row),
                optimiser=table.optimiser(row),
            )
        )
    return found
