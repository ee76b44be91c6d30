"""The same models built from FuxiCTR's layers, trained by its own step on its own loader.

FuxiCTR's package on PyPI has layers, loaders and the training loop but no models. DNN and DCNv2 are assembled here as its
documentation describes them; all code that runs in them is FuxiCTR's. Predictions are compared before speeds are.
"""

import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.speed.inputs import EMBEDDING_DIM, N_DENSE, N_SPARSE, config_at, endless
from datamodules.base import Batches
from models.base import Batch, Config, CTRModel
from models.dcnv2 import DCNv2Config

STEPS_COMPARED = 3


def feature_map(cardinalities: Sequence[int]) -> Any:
    """Return FuxiCTR's description of the fields, in our order."""
    from fuxictr.features import FeatureMap

    fields = FeatureMap("speed", ".")
    fields.features = OrderedDict()
    for i in range(N_DENSE):
        fields.features[f"x{i}"] = {"type": "numeric", "source": ""}
    for i, cardinality in enumerate(cardinalities):
        fields.features[f"c{i}"] = {"type": "categorical", "source": "", "vocab_size": cardinality}
    fields.labels = ["label"]
    fields.num_fields, fields.default_emb_dim = N_DENSE + len(cardinalities), EMBEDDING_DIM
    fields.set_column_index()
    return fields


def peer(name: str, config: Any, cardinalities: Sequence[int], embedding_l2: float = 0.0) -> Any:
    """Return FuxiCTR's model of that architecture, ready to take steps.

    Args:
        name: mlp or dcnv2.
        config: our configuration.
        cardinalities: rows of each sparse column's table.
        embedding_l2: L2 penalty of the embeddings.
    """
    from fuxictr.pytorch.layers import CrossNetV2, FeatureEmbedding, MLP_Block
    from fuxictr.pytorch.models import BaseModel

    class Peer(BaseModel):  # type: ignore[misc]
        def __init__(self) -> None:
            folder = tempfile.gettempdir()
            super().__init__(
                feature_map(cardinalities),
                embedding_regularizer=embedding_l2,
                verbose=0,
                model_root=folder,
                metrics=["AUC", "logloss"],
            )
            n_in = (N_DENSE + N_SPARSE) * EMBEDDING_DIM
            self.embedding = FeatureEmbedding(self.feature_map, EMBEDDING_DIM)
            self.cross = CrossNetV2(n_in, config.cross_layers) if name == "dcnv2" else None
            self.deep = MLP_Block(n_in, list(config.hidden), output_dim=None if self.cross else 1)
            self.output: Any = nn.Linear(n_in + config.hidden[-1], 1) if self.cross else None
            self.compile("adam", "binary_crossentropy", lr=1e-3)
            self._max_gradient_norm = 10.0  # as its `fit` sets it

        def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
            x = self.embedding(self.get_inputs(inputs), flatten_emb=True)
            logit = self.deep(x)
            if self.cross is not None:
                logit = self.output(torch.cat([self.cross(x), logit], dim=-1))
            return {"y_pred": self.output_activation(logit)}

    return Peer()


def configured(name: str, mflop: float) -> Config:
    """Return trial 0 at that many forward MFLOP; for DCNv2 one full-rank cross layer, the only kind that FuxiCTR has."""
    config = config_at(name, mflop)
    if name == "dcnv2":
        width = (N_DENSE + N_SPARSE) * EMBEDDING_DIM
        hidden = max(16, int((mflop * 1e6 / 2 - width**2) / width))
        return DCNv2Config(embedding_dim=EMBEDDING_DIM, cross_layers=1, hidden=(hidden,))
    return config


def copy_weights(ours: Any, theirs: Any, cardinalities: Sequence[int]) -> None:
    """Copy our weights into FuxiCTR's model.

    Args:
        ours: our model.
        theirs: FuxiCTR's model, changed in place.
        cardinalities: rows of each sparse column's table.
    """
    with torch.no_grad():
        layers = theirs.embedding.embedding_layer.embedding_layers
        for i in range(N_DENSE):
            layers[f"x{i}"].weight.copy_(ours.embed.dense[i].unsqueeze(1))
        for i, rows in enumerate(ours.embed.table.weight.split(list(cardinalities))):
            layers[f"c{i}"].weight.copy_(rows)
        pairs = [(theirs.deep.mlp, ours.mlp if theirs.cross is None else ours.deep)]
        if theirs.cross is not None:
            pairs += [(theirs.output, ours.output)]
            pairs += [(a, b.linear) for a, b in zip(theirs.cross.cross_layers, ours.cross, strict=True)]
        for a, b in pairs:
            for mine, other in zip(b.parameters(), a.parameters(), strict=True):
                other.copy_(mine)


def as_columns(batch: Batch) -> dict[str, Tensor]:
    """Return a batch in the form that FuxiCTR's collator makes."""
    dense_BN, sparse_BF, label_B = batch
    columns = {f"x{i}": x for i, x in enumerate(dense_BN.double().unbind(1))}
    columns |= {f"c{i}": x for i, x in enumerate(sparse_BF.double().unbind(1))}
    return {**columns, "label": label_B.double()}


def loader(batches: Batches, cardinalities: Sequence[int], folder: Path) -> Any:
    """Return FuxiCTR's loader of the same rows, without worker processes because their CPU time would not be measured.

    Args:
        batches: our batches, which give rows and batch size.
        cardinalities: rows of each sparse column's table.
        folder: for FuxiCTR's copy of the rows.
    """
    from fuxictr.pytorch.dataloaders import RankDataLoader

    dense, sparse, label = (array.numpy() for array in batches.arrays)
    columns = {f"x{i}": dense[:, i] for i in range(N_DENSE)} | {f"c{i}": sparse[:, i] for i in range(N_SPARSE)}
    np.savez(folder / "train.npz", **{**columns, "label": label})  # type: ignore[arg-type]
    train, _ = RankDataLoader(
        feature_map(cardinalities),
        stage="train",
        train_data=str(folder / "train.npz"),
        batch_size=batches.batch_size,
        num_workers=0,
    )
    return train


def difference(ours: CTRModel, theirs: Any, batches: Batches) -> float:
    """Return the largest difference in predictions, before the first step and after each.

    Args:
        ours: our model.
        theirs: FuxiCTR's model with the same weights.
        batches: rows to train on.
    """
    source = endless(batches)
    worst = 0.0
    for batch in islice(source, STEPS_COMPARED + 1):
        with torch.no_grad():
            mine, other = ours.execution.logits(ours, batch).sigmoid(), theirs(as_columns(batch))["y_pred"].squeeze(1)
        worst = max(worst, float((mine - other).abs().max()))
        ours.step(batch)
        theirs.train_step(as_columns(batch))
    return worst


def forever(batches: Any) -> Iterator[Any]:
    """Yield the loader's full batches, epoch after epoch."""
    while True:
        yield from islice(batches, len(batches) - 1)
