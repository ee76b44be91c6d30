"""Speed of what surrounds the steps: a whole Lightning trial against a bare loop, batches, metrics."""

from collections.abc import Sequence
from functools import partial
from statistics import median

import torch

import models
from benchmark.protocol.sections import Training
from benchmark.reports.formats import pipe_table
from benchmark.speed.inputs import clicks, config_at, prepared
from benchmark.speed.parts import Clock, Section, rounds, spread
from benchmark.training.loop import train
from datamodules.base import Batches, CTRDataModule
from models.base import Config, Optimiser, Predictions

PREDICTIONS = 5_000_000
CELLS = (("mlp", 0.03, 1024), ("mlp", 0.4, 4096), ("wukong", 0.4, 4096))  # the first is the smallest of quickstart


class Given(CTRDataModule):
    """A data module of given batches, the same for training and validation."""

    def __init__(self, batches: Batches, cardinalities: Sequence[int]):
        super().__init__(batch_size=batches.batch_size)
        self.batches, self.rows_of_fields = batches, tuple(cardinalities)
        self.meta = {
            "dense_columns": [*range(batches.arrays[0].shape[1])],
            "rows": {"train": batches.rows},
        }

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Cardinalities of the sparse columns in the batches."""
        return self.rows_of_fields

    def train_dataloader(self) -> Batches:
        """Return the batches."""
        return self.batches

    val_dataloader = test_dataloader = train_dataloader


def bare(name: str, config: Config, data: Given) -> dict[str, float]:
    """Train an epoch, validate and copy the weights, by hand; return the validation metrics.

    Args:
        name: name of the model.
        config: its architecture.
        data: batches to train and validate on.
    """
    model, predictions = prepared(name, config, list(data.cardinalities)), Predictions()
    for batch in data.batches:
        model.step(batch)
    model.eval()
    with torch.inference_mode():
        for batch in data.batches:
            predictions.update(model(*batch[:2]), batch[2])
    metrics = predictions.compute()
    model.load_state_dict({key: value.clone() for key, value in model.state_dict().items()})
    return metrics


def whole(name: str, config: Config, data: Given, optimiser: Optimiser | None = None) -> dict[str, float]:
    """Do the same as the suite does it, through Lightning; return the validation metrics.

    Args:
        name: name of the model.
        config: its architecture.
        data: batches to train and validate on.
        optimiser: learning rate and regularisation.
    """
    return train(models.load(name), config, optimiser or Optimiser(), data, Training(), seed=0, test=False).valid


def of_trials(n: int) -> Section:
    """Return the time of a one-epoch trial through Lightning over that of a bare loop, from n rounds."""
    clock, rows, ratios = Clock(), [], {}
    for name, mflop, batch_size in CELLS:
        with clicks(32 * batch_size, batch_size, table_rows=100_000) as (batches, cardinalities):
            config = config_at(name, mflop)
            data = Given(batches, cardinalities)
            seconds = rounds(
                f"trials, {models.title(name)} {mflop:g} MFLOP",
                {
                    "bare": partial(clock.of, partial(bare, name, config, data)),
                    "whole": partial(clock.of, partial(whole, name, config, data)),
                },
                n,
            )
        ratio = [b / a for a, b in zip(seconds["bare"], seconds["whole"], strict=True)]
        ratios[f"Lightning trial over bare loop, {models.title(name)} {mflop:g}"] = ratio
        steps = 2 * len(batches)
        rows.append(
            (
                models.title(name),
                f"{mflop:g}",
                f"{batch_size:,}",
                f"{1e3 * median(seconds['bare']) / steps:.1f}",
                spread(ratio),
            )
        )
    header = ("model", "forward MFLOP", "batch", "ms a batch, bare", "Lightning trial over bare loop")
    return Section(pipe_table(header, rows), ratios)


def of_data(n: int) -> Section:
    """Return the loading speed of batches, and that of metrics against scikit-learn's, from n rounds."""
    from sklearn.metrics import log_loss, roc_auc_score

    clock = Clock()
    rates = []
    with clicks(2**20, 4096) as (batches, _):
        for _ in range(n):
            rates.append(batches.rows / clock.of(lambda: [None for _ in batches]) / 1e6)
    torch.manual_seed(0)
    logit_B = torch.randn(PREDICTIONS) - 1
    label_B = (torch.rand(PREDICTIONS) < logit_B.sigmoid()).float()
    probability, label = logit_B.double().sigmoid().numpy(), label_B.numpy()

    def ours() -> dict[str, float]:
        predictions = Predictions()
        predictions.update(logit_B, label_B)
        return predictions.compute()

    def theirs() -> tuple[float, float]:
        return roc_auc_score(label, probability), log_loss(label, probability)

    seconds = rounds("metrics", {"ours": lambda: clock.of(ours), "scikit-learn": lambda: clock.of(theirs)}, n)
    ratio = [b / a for a, b in zip(seconds["ours"], seconds["scikit-learn"], strict=True)]
    text = pipe_table(
        ("what", "measured"),
        [
            ("million rows/s, 39 fields in batches of 4,096, shuffled", spread(rates)),
            ("scikit-learn's AUC and LogLoss of 5 M predictions over all our metrics of them", spread(ratio)),
            ("difference of the AUCs", f"{abs(ours()['auc'] - theirs()[0]):.0e}"),
        ],
    )
    return Section(text, {"million rows/s in batches": rates, "scikit-learn's time over our metrics": ratio})
