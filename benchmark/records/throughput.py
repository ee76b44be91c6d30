"""Measured throughput of a data set's winners, `throughput/<data set>.json`: one measurement of all, on one machine.

The seconds in records are not throughput: they are of any machine, under the load of the studies beside them.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from benchmark.records import files
from benchmark.records.record import Name


class Speed(BaseModel):
    """How fast the winner of a model and budget trains and predicts."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: Name
    budget: float  # training MFLOP per example
    block: int  # of the winner
    trial: int
    examples_per_second: PositiveFloat  # of training steps with their loader; median over rounds
    lowest: PositiveFloat  # of a round
    highest: PositiveFloat
    milliseconds: dict[PositiveInt, PositiveFloat]  # of predicting a batch, by its size; median


class Throughput(BaseModel):
    """The speeds of a data set's winners, and the machine and code they are of."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: Literal[1] = 1
    dataset: Name
    device: str
    threads: PositiveInt
    batch_size: PositiveInt  # in training
    rounds: PositiveInt
    steps: PositiveInt  # of each round
    cpu_share: NonNegativeFloat  # CPU seconds of the measuring process per second
    other_cores: NonNegativeFloat | None  # busy with other processes, on average; None: unknown
    quiet: bool
    commit: str | None
    dirty: bool | None
    versions: dict[str, str]
    finished: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    speeds: tuple[Speed, ...]

    @property
    def machine(self) -> str:
        """Return what stands beside each of the numbers: device, threads and date, and whether the machine was not quiet."""
        threads = "one thread" if self.threads == 1 else f"{self.threads} threads"
        noise = "" if self.quiet else ", not a quiet machine"
        return f"{self.device}, {threads}, {self.finished:%Y-%m-%d}{noise}"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the measurement in a file. Raises RecordError if it cannot be read or is invalid."""
        return files.read_as(cls, path)

    def write(self, results: Path) -> Path:
        """Write or replace the data set's measurement in a results folder and return the file.

        Raises RunError if disk or folder are at fault.
        """
        path = results / "throughput" / f"{self.dataset}.json"
        files.write_json(path, self.model_dump(mode="json"))
        return path
