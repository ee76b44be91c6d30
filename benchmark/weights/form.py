"""The form of a folder of weights: what stands in `weights.json`, and the names of the files beside it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from benchmark.protocol.sections import Training
from benchmark.records import code
from benchmark.records.record import Record
from datamodules.base.encoder import Rules
from datamodules.own.declaration import Declaration

ABOUT = "weights.json"
MODEL = "model.safetensors"  # the model's parameters and buffers by name
FROZEN = "frozen.safetensors"  # the data set's frozen tables by field, if it has any
VOCABULARY = "vocabulary.parquet"  # field, value, id

Digest = Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]


class About(BaseModel):
    """What the weights are, and what reading them takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    record: Record  # of the training: data set, fingerprint, model, configuration, optimiser, metrics, versions
    training: Training
    encoder: Rules
    declaration: Declaration | None = None  # of a user's files, which says how raw columns become fields
    code: dict[str, str]  # hashes of the code that computes a prediction
    digests: dict[Literal["model.safetensors", "frozen.safetensors", "vocabulary.parquet"], Digest]


def code_of(model: str) -> dict[str, str]:
    """Return hashes of the code that computes a model's predictions."""
    return {"model": code.of_model(model), "layers": code.of_everything()["layers"], "readers": code.of_readers()}
