"""Reads a folder of weights; whatever is wrong with it is one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file

import datamodules
import models
from benchmark.errors import RunError
from benchmark.records.files import first_problem
from benchmark.weights.form import ABOUT, FROZEN, MODEL, VOCABULARY, About, code_of
from datamodules.base import CTRDataModule, DataError, file_digest
from datamodules.base.encoder import Encoder
from datamodules.own.module import Declared, module_class
from models.base import CTRModel, Execution


@dataclass(frozen=True)
class Weights:
    """A trained model with the encoder of its data set."""

    about: About
    model: CTRModel  # in eval mode
    encoder: Encoder
    data: CTRDataModule  # of the class that the data set has now; its files are not read

    def other_code(self) -> list[str]:
        """Return which code that computes predictions has changed since the weights were written."""
        now = code_of(self.about.record.model)
        return [part for part, written in self.about.code.items() if now.get(part) != written]


def load_model(folder: Path | str, device: str = "cpu") -> CTRModel:
    """Return a trained model in eval mode, from a folder that `wukong-bench train` or `run --keep-weights` wrote.

    Its `forward(dense_BN, sparse_BF)` returns logit_B; `load` gives the encoder of the rows, too. Raises as `load` does.
    """
    return load(Path(folder), device).model


def load(folder: Path, device: str = "cpu") -> Weights:
    """Return the weights in a folder.

    Raises RunError if the folder is no such folder or damaged, UnknownModel or UnknownDataset if this installation lacks
    the model or the data set.
    """
    about = _about(folder)
    model_class = models.load(about.record.model)
    data = _data_of(about)
    with _damage_of(folder):
        for name in (MODEL, VOCABULARY):
            if name not in about.digests:
                raise ValueError(f"{ABOUT} has no digest of {name}")
        for name, digest in about.digests.items():
            if file_digest(folder / name) != digest:
                raise ValueError(f"{name} is not the file that was written")
        encoder = Encoder(about.encoder, pl.read_parquet(folder / VOCABULARY), data.derived_fields)
        frozen = load_file(folder / FROZEN) if FROZEN in about.digests else {}
        config = model_class.Config.model_validate(about.record.config)
        model = model_class(config, about.encoder.n_dense, about.encoder.cardinalities(frozen))
        model.load_state_dict(load_file(folder / MODEL))
        model.execution = Execution(**about.training.model_dump(include={"precision"}))
        return Weights(about, model.to(device).eval().requires_grad_(False), encoder, data)


def _data_of(about: About) -> CTRDataModule:
    """Return the data module, of which only the way from raw rows to fields is used."""
    if about.declaration is None:
        return datamodules.load(about.record.dataset)()
    return module_class(Declared(about.record.dataset.partition(".")[0], about.declaration, files={}))()


def _about(folder: Path) -> About:
    if not (folder / ABOUT).is_file():
        raise RunError(
            f"{folder}: no weights here; expected a folder with {ABOUT}, as `wukong-bench train` and `run --keep-weights` "
            "write it"
        )
    try:
        return About.model_validate_json((folder / ABOUT).read_bytes())
    except ValidationError as error:
        raise RunError(
            f"{folder / ABOUT}: damaged, or of another version of the suite ({first_problem(error)})"
        ) from None


@contextmanager
def _damage_of(folder: Path) -> Iterator[None]:
    """Turn an error in reading the files of a folder of weights into one line."""
    try:
        yield
    except ValidationError as error:
        reason = first_problem(error)
    except (
        OSError,
        ValueError,
        KeyError,
        RuntimeError,
        SafetensorError,
        DataError,
        pl.exceptions.PolarsError,
    ) as error:
        reason = str(error).strip().replace("\n\t", " ").partition("\n")[0]
    else:
        return
    raise RunError(f"{folder}: damaged ({reason}); train the model again")
