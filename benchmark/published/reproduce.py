"""Train published configurations: `benchmark/published/configurations/<name>.toml` holds what was published.

There is no search and no budget: each row of a published table is one configuration, trained by the rules of its source
with several seeds. These records are kept apart from those of protocols, because the models do not compete.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.published.tables import Reproduction
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.study import OnEvent, Study

FAILURES_ALLOWED = 2  # failed runs of a seed, a training that stands still for one, after which it is left out


@dataclass(frozen=True)
class FixedStudy(Study):
    """One published configuration and its runs, one per seed; `trial` in its records is the row in the table."""

    row: int = 0
    published_as: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    optimiser: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name shown on the screen."""
        return f"{self.dataset}/{self.published_as}"

    def records(self) -> list[Record]:
        """Return the records so far."""
        path = store.record_file(self.results, self.dataset, self.model)
        return [record for record in store.read_file(path) if record.trial == self.row] if path.exists() else []

    def seeds_left(self) -> list[int]:
        """Return the seeds without a complete run that have not failed too often."""
        records = self.records()
        done = {record.seed for record in records if record.status == "complete"}
        failures = Counter(record.seed for record in records if record.status == "failed")
        return [seed for seed in self.protocol.final.seeds if seed not in done and failures[seed] < FAILURES_ALLOWED]

    def runs_left(self) -> int:
        """Return how many trainings are missing."""
        return len(self.seeds_left())

    def keep_predictions(self, seed: int, logits: object, labels: object) -> str | None:
        """Keep none: published tables come without predictions to compare with.

        Args:
            seed: of the final run.
            logits: of the test part.
            labels: of the test part.
        """
        return None


def train_missing(study: FixedStudy, on_event: OnEvent) -> None:
    """Train a published configuration with each seed that has no complete run."""
    from benchmark.training.runner import Runner
    from models.base import Optimiser

    with Runner(study, on_event, study) as runner:
        config = runner.model.Config.model_validate(study.config)
        optimiser = Optimiser.model_validate(study.optimiser)
        for seed in study.seeds_left():
            runner.keep(runner.train("final", study.row, seed, config, optimiser, params={}))


def studies_of(
    table: Reproduction, results: Path, n_fields: tuple[int, int], data_dir: Path | None = None, device: str = "cpu"
) -> list[FixedStudy]:
    """Return the configurations of a published table as studies. Loads the models.

    Args:
        table: the published table.
        results: folder for the records.
        n_fields: numbers of dense and sparse columns of the data set.
        data_dir: folder of the raw data sets; None: the default.
        device: to train on.
    """
    import models
    from models.base.config import TRAINING_FLOPS_PER_FORWARD_FLOP

    protocol = table.protocol()
    studies = []
    for i, row in enumerate(table.rows):
        config = models.load(row.model).Config.model_validate(table.settings(row))
        mflop = TRAINING_FLOPS_PER_FORWARD_FLOP * config.flops(*n_fields) / 1e6
        studies.append(
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
    return studies
