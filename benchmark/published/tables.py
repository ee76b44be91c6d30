"""Published tables whose rows can be retrained: `configurations/<name>.toml` holds what was published."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, ValidationError

from benchmark.errors import ProtocolError, nearest
from benchmark.protocol import Protocol
from benchmark.protocol.sections import Final, Section, Seeds, Training

FOLDER = Path(__file__).parent
CONFIGURATIONS = FOLDER / "configurations"


class Row(Section):
    """A row of a published table: a configuration and its results."""

    model: str  # name in this suite
    published_as: str
    source: str  # of the configuration
    auc: float
    logloss: float
    seed_aucs: tuple[float, ...] = ()  # if the source has several runs
    parameters: PositiveInt | None = None  # missing in some logs
    training_mflop: NonNegativeFloat | None = None  # per example
    note: str = ""
    within: NonNegativeFloat = 0.002  # distance from the published AUC that counts as reproduced
    embedding_l2: NonNegativeFloat = 0.0
    config: dict[str, Any] = {}


class Reproduction(Section):
    """A published table."""

    name: str
    title: str
    dataset: str
    source: str
    caveat: str  # what to know before comparing
    seeds: Seeds = (1, 2, 3)
    training: Training
    learning_rate: PositiveFloat = 1e-3
    table_rate: PositiveFloat = 1.0  # factor on the learning rate, for a row-wise optimiser of the tables
    config: dict[str, Any] = {}  # shared by all rows
    rows: tuple[Row, ...] = Field(min_length=1)

    def settings(self, row: Row) -> dict[str, Any]:
        """Return the fields of the row's model configuration."""
        return {**self.config, **row.config}

    def protocol(self) -> Protocol:
        """Return what all rows share as a protocol, from which studies are trained."""
        return Protocol(
            name=self.name,
            title=self.title,
            datasets=(self.dataset,),
            models=tuple(dict.fromkeys(row.model for row in self.rows)),
            budgets=(1.0,),  # required, not used
            embedding_dim=self.config.get("embedding_dim", 1),
            training=self.training,
            final=Final(seeds=self.seeds),
        )

    def optimiser(self, row: Row) -> dict[str, Any]:
        """Return the fields of the row's optimiser."""
        return {
            "learning_rate": self.learning_rate,
            "table_rate": self.table_rate,
            "embedding_l2": row.embedding_l2,
            "clip_norm": self.training.clip_norm,
        }


def names() -> list[str]:
    """Return the names of the published tables that can be reproduced."""
    return sorted(path.stem for path in CONFIGURATIONS.glob("*.toml"))


def load(name: str) -> Reproduction:
    """Return the published table of that name. Raises ProtocolError."""
    if name not in names():
        raise ProtocolError(f"no published table {name!r}; {nearest(name, names())}")
    try:
        return Reproduction.model_validate(
            {"name": name, **tomllib.loads((CONFIGURATIONS / f"{name}.toml").read_text(encoding="utf-8"))}
        )
    except ValidationError as error:
        raise ProtocolError(f"{name}.toml: {error}") from None
