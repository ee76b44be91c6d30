"""A results folder read once: its protocol, its records as frames, its data sets' facts. All reports start from it."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from benchmark.findings.comparison import Place, leaders, reference, with_letters
from benchmark.findings.orders import Recovery, recovery
from benchmark.findings.row_noise import RowNoise, TestNoise, row_noise
from benchmark.findings.scaling import Scaling, scaling
from benchmark.findings.summary import METRICS, summary, tidy
from benchmark.protocol import NAME, Protocol, digest, load
from benchmark.records import files, store
from benchmark.records.record import Record


@dataclass(frozen=True)
class Findings:
    """What a results folder holds."""

    folder: Path
    protocol: Protocol
    records: list[Record]
    facts: dict[str, dict[str, Any]]  # of each data set, as far as the folder has them

    @cached_property
    def runs(self) -> pl.DataFrame:
        """One row a record."""
        return tidy(self.records)

    @cached_property
    def summary(self) -> pl.DataFrame:
        """One row for each (data set, budget, model), with letters."""
        return with_letters(summary(self.runs), self.runs)

    @cached_property
    def leaders(self) -> dict[str, dict[tuple[str, float, str], Place]]:
        """By metric the places of those that lead their budget beyond doubt."""
        return {metric: leaders(self.summary, self.runs, metric) for metric in METRICS}

    @property
    def datasets(self) -> list[str]:
        """Data sets that have records."""
        return sorted({record.dataset for record in self.records})

    def title(self, dataset: str) -> str:
        """The data set's name as its facts give it."""
        return str(self.facts.get(dataset, {}).get("title", dataset))

    def heading(self, dataset: str) -> str:
        """Data set and protocol, for the head of a table or figure."""
        return f"{self.title(dataset)}, protocol {self.protocol.name}"

    def rows(self, dataset: str) -> pl.DataFrame:
        """The data set's part of the summary."""
        return self.summary.filter(pl.col("dataset") == dataset)

    def bounds(self, dataset: str) -> dict[str, dict[str, float]]:
        """Scores that are known for the data set, Bayes for one: {name: {metric: value}}."""
        return dict(self.facts.get(dataset, {}).get("bounds") or {})

    def reference(self, dataset: str) -> str:
        """The model that the others of this data set are measured against."""
        return reference(self.rows(dataset)["model"].unique().to_list()) or ""

    @cached_property
    def _scaling(self) -> dict[str, tuple[float, float, list[Scaling]]]:
        return {
            dataset: scaling(
                self.runs, dataset, self.reference(dataset), self.bounds(dataset).get("Bayes", {}).get("logloss")
            )
            for dataset in self.datasets
        }

    def scaling(self, dataset: str) -> tuple[float, float, list[Scaling]]:
        """Baseline LogLoss, unit FLOPs and each model's scaling."""
        return self._scaling[dataset]

    @cached_property
    def _row_noise(self) -> dict[str, TestNoise]:
        return {
            dataset: row_noise(self.folder, self.records, dataset, self._row_noise_file(dataset))
            for dataset in self.datasets
        }

    def _row_noise_file(self, dataset: str) -> Path:
        return self.folder / "row_noise" / f"{file_name(dataset)}.json"

    def row_noise(self, dataset: str) -> list[RowNoise]:
        """What the finite test part leaves open, where predictions were kept or what was found from them is."""
        return self._row_noise[dataset].found

    def recovery(self, dataset: str) -> list[Recovery]:
        """What each model learnt of the orders of interaction, where the data set's law is known."""
        return recovery(self.records, dataset, self.bounds(dataset).get("Bayes", {}).get("logloss"))

    def keep_row_noise(self) -> None:
        """Write what was found from predictions beside the records, so that a folder without predictions reports it too."""
        for dataset, noise in self._row_noise.items():
            noise.keep(self._row_noise_file(dataset))


def read(folder: Path) -> Findings:
    """The findings of a results folder. Raises RecordError or ProtocolError where a file of it is not as it must be."""
    found = store.read(folder)
    facts = {}
    for dataset in sorted({record.dataset for record in found}):
        path = folder / "datasets" / f"{dataset}.json"
        if NAME.fullmatch(dataset) and path.exists():
            facts[dataset] = files.read_json(path)
    return Findings(folder, load(str(folder / "protocol.toml")), found, facts)


def file_name(name: str) -> str:
    """A name as part of a file's name: what is no safe name is replaced and told apart by its hash."""
    if NAME.fullmatch(name):
        return name
    return f"{re.sub(r'[^A-Za-z0-9_-]', '_', name)[:40]}-{digest(name)}"
