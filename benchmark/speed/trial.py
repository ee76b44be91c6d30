"""What surrounds the steps: a whole Lightning trial against a bare loop, batches, metrics."""

from collections.abc import Sequence
from functools import partial
from statistics import median

import torch

import models
from benchmark.protocol import Training
from benchmark.reports.formats import pipe_table
from benchmark.speed.parts import Clock, Section, clicks, config_at, prepared, rounds, spread
from benchmark.training.loop import train
from datamodules.base import Batches, CTRDataModule
from models.base import Config, Optimiser, Predictions

PREDICTIONS = 5_000_000
CELLS = (("mlp", 0.03, 1024), ("mlp", 0.4, 4096), ("wukong", 0.4, 4096))  # the first is the quickstart's smallest


class Given(CTRDataModule):
    """Batches that exist already, as a data module."""

    def __init__(self, batches: Batches, cardinalities: Sequence[int]):
        super().__init__(batch_size=batches.batch_size)
        self.batches, self.rows_of_fields = batches, tuple(cardinalities)
        self.meta = {
            "dense_columns": [*range(batches.arrays[0].shape[1])],
            "rows": {"train": batches.rows},
        }

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Those of the fields that the batches have."""
        return self.rows_of_fields

    def train_dataloader(self) -> Batches:
        """The batches."""
        return self.batches

    val_dataloader = test_dataloader = train_dataloader


def bare(name: str, config: Config, data: Given) -> None:
    """An epoch, its validation and a copy of the weights, by hand."""
    model, predictions = prepared(name, config, list(data.cardinalities)), Predictions()
    for batch in data.batches:
        model.step(batch)
    model.eval()
    with torch.inference_mode():
        for batch in data.batches:
            predictions.update(model(*batch[:2]), batch[2])
    predictions.compute()
    model.load_state_dict({key: value.clone() for key, value in model.state_dict().items()})


def whole(name: str, config: Config, data: Given, optimiser: Optimiser | None = None) -> None:
    """The same as the suite does it."""
    train(models.load(name), config, optimiser or Optimiser(), data, Training(), seed=0, test=False)


def of_trials(n: int) -> Section:
    """A trial of one epoch and its validation through Lightning, over the same steps and metrics in a bare loop."""
    clock, rows, ratios = Clock(), [], {}
    for name, mflop, batch_size in CELLS:
        with clicks(32 * batch_size, batch_size, table_rows=100_000) as (batches, cardinalities):
            config = config_at(name, mflop)
            data = Given(batches, cardinalities)

            found = rounds(
                f"trials, {models.title(name)} {mflop:g} MFLOP",
                {
                    "bare": partial(clock.of, partial(bare, name, config, data)),
                    "whole": partial(clock.of, partial(whole, name, config, data)),
                },
                n,
            )
        ratio = [b / a for a, b in zip(found["bare"], found["whole"], strict=True)]
        ratios[f"Lightning trial over bare loop, {models.title(name)} {mflop:g}"] = ratio
        steps = 2 * len(batches)
        rows.append(
            (
                models.title(name),
                f"{mflop:g}",
                f"{batch_size:,}",
                f"{1e3 * median(found['bare']) / steps:.1f}",
                spread(ratio),
            )
        )
    header = ("model", "forward MFLOP", "batch", "ms a batch, bare", "Lightning trial over bare loop")
    return Section(pipe_table(header, rows), ratios)


def of_data(n: int) -> Section:
    """Batches a second, and the metrics of PREDICTIONS predictions against scikit-learn's."""
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

    found = rounds("metrics", {"ours": lambda: clock.of(ours), "scikit-learn": lambda: clock.of(theirs)}, n)
    ratio = [b / a for a, b in zip(found["ours"], found["scikit-learn"], strict=True)]
    text = pipe_table(
        ("what", "measured"),
        [
            ("million rows/s, 39 fields in batches of 4,096, shuffled", spread(rates)),
            ("scikit-learn's AUC and LogLoss of 5 M predictions over all our metrics of them", spread(ratio)),
            ("difference of the AUCs", f"{abs(ours()['auc'] - theirs()[0]):.0e}"),
        ],
    )
    return Section(text, {"million rows/s in batches": rates, "scikit-learn's time over our metrics": ratio})
