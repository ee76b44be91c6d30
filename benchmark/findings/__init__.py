"""Findings: the contents of a results folder and everything derived from them. All reports start here."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import polars as pl

from benchmark.findings.comparison import reference
from benchmark.findings.convergence import Gain, gains
from benchmark.findings.decision import Decision, decision
from benchmark.findings.frontier import Frontier, frontier
from benchmark.findings.orders import Recovery, recovery
from benchmark.findings.row_noise import NONE, RowNoise, pack, row_noise
from benchmark.findings.runs import Metric, finals, tidy
from benchmark.findings.scaling import Scaling, scaling
from benchmark.findings.scores import Scores, scores
from benchmark.findings.summary import TITLES, overall, summary
from benchmark.protocol import NAME, Protocol, digest, of_folder
from benchmark.records import store
from benchmark.records.about import About, AboutModel
from benchmark.records.record import Record
from benchmark.records.throughput import Speed, Throughput


@dataclass(frozen=True)
class Findings:
    """A results folder's protocol, records and data-set facts, with everything derived from them, computed on demand."""

    folder: Path
    protocol: Protocol
    records: list[Record]
    about: dict[str, About]  # by data set, where the folder has facts about it
    models: dict[str, AboutModel] = field(default_factory=dict)  # the same by model
    throughput: dict[str, Throughput] = field(default_factory=dict)  # by data set, where it was measured

    @cached_property
    def runs(self) -> pl.DataFrame:
        """Return one row per record."""
        return tidy(self.records)

    @cached_property
    def summary(self) -> pl.DataFrame:
        """Return one row per (data set, budget, model)."""
        return summary(self.runs, self.scores, self.speeds)

    @cached_property
    def overall(self) -> pl.DataFrame:
        """Return one row per (data set, metric, model) with its mean over the budgets."""
        return overall(self.datasets, self.scores)

    @property
    def datasets(self) -> list[str]:
        """Return the data sets that have records."""
        return sorted({record.dataset for record in self.records})

    def of(self, dataset: str) -> About:
        """Return the facts about a data set, empty ones if the folder has none."""
        return self.about.get(dataset, About())

    def title(self, dataset: str) -> str:
        """Return the data set's title from its facts, or its name."""
        return self.of(dataset).title or dataset

    def heading(self, dataset: str) -> str:
        """Return the data set, its weights and the protocol as the heading of a table or figure."""
        column = self.of(dataset).weight_column
        weights = f", metrics weighted by {column}" if column else ""
        return f"{self.title(dataset)}{weights}, protocol {self.protocol.name}"

    def rows(self, dataset: str) -> pl.DataFrame:
        """Return the summary rows of a data set."""
        return self.summary.filter(pl.col("dataset") == dataset)

    def bayes(self, dataset: str) -> float | None:
        """Return the LogLoss of the true probabilities on the test part; None if they are unknown."""
        bound = self.of(dataset).bounds.get("Bayes")
        return bound.logloss if bound else None

    def reference(self, dataset: str) -> str:
        """Return the reference model of the data set."""
        return reference(sorted({record.model for record in self.records if record.dataset == dataset})) or ""

    @property
    def metric(self) -> Metric:
        """Return the metric that selects and decides."""
        return self.protocol.training.monitor

    @cached_property
    def _scores(self) -> dict[tuple[str, Metric], Scores]:
        return {}

    def scores(self, dataset: str, metric: Metric) -> Scores:
        """Return the test scores of a data set in one metric, by blocks."""
        if (dataset, metric) not in self._scores:
            planned, floor = self.protocol.search.blocks, self.bayes(dataset)
            rows = self.row_noise(dataset).of(metric)
            self._scores[dataset, metric] = scores(self.runs, dataset, metric, planned, floor, rows)
        return self._scores[dataset, metric]

    def decision(self, dataset: str, metric: Metric | None = None) -> Decision:
        """Return which models may be the best, by the metric that decides or by another."""
        return decision(self.scores(dataset, metric or self.metric), self.rows(dataset))

    def speeds(self, dataset: str) -> dict[tuple[str, float], Speed]:
        """Return the measured speed by model and budget, without those of winners that have changed since."""
        own = finals(self.runs.filter(pl.col("dataset") == dataset))
        winners = set(own.select("model", "budget", "block", "trial").iter_rows())
        measured = self.throughput[dataset].speeds if dataset in self.throughput else ()
        return {(s.model, s.budget): s for s in measured if (s.model, s.budget, s.block, s.trial) in winners}

    def measured_on(self, dataset: str) -> str | None:
        """Return the machine and day that the data set's throughput was measured on; None if it was not."""
        return self.throughput[dataset].machine if self.speeds(dataset) else None

    def scaling(self, dataset: str) -> list[Scaling]:
        """Return each model's scaling, by the metric that decides."""
        runs = self.runs.filter(pl.col("dataset") == dataset)
        return scaling(self.scores(dataset, self.metric), runs, self.reference(dataset))

    @cached_property
    def _row_noise(self) -> dict[str, RowNoise]:
        return {
            dataset: row_noise(self.folder, self.records, dataset, self._row_noise_file(dataset))
            for dataset in self.datasets
        }

    def _row_noise_file(self, dataset: str) -> Path:
        return self.folder / "row_noise" / f"{file_name(dataset)}.json"

    def row_noise(self, dataset: str) -> RowNoise:
        """Return the noise of the test part, from kept predictions or from the stored row noise."""
        return self._row_noise[dataset]

    @property
    def row_covariance(self) -> pl.DataFrame:
        """Return the covariances by test rows of all data sets, one row per metric and pair of studies."""
        return pl.concat([noise.frame(dataset) for dataset, noise in self._row_noise.items()] or [NONE.frame("")])

    def gains(self, dataset: str) -> list[Gain]:
        """Return what the winners gain from twice the epochs, where they were trained so."""
        return gains(self.records, dataset, self.protocol.training.monitor)

    def recovery(self, dataset: str) -> list[Recovery]:
        """Return how much of each interaction order the models recovered, if the data set's true logits are known."""
        return recovery(self.records, dataset, self.bayes(dataset))

    def heading_of_law(self, law: str) -> str:
        """Return a data set with any number of rows and the protocol as the heading of a table or figure."""
        return f"{self.title_of_law(law)}, protocol {self.protocol.name}"

    def title_of_law(self, law: str) -> str:
        """Return the title of a data set with any number of rows, from the facts about one of its numbers, or its name."""
        for split in self.protocol.splits:
            if split.law == law and split.dataset in self.about:
                return self.title(split.dataset).removesuffix(f", {split.rows:,} train rows")
        return law

    @property
    def frontiers(self) -> list[Frontier]:
        """Return the compute-optimal frontier of each data set whose totals of compute the protocol splits; none otherwise."""
        result = []
        for law in self.protocol.datasets if self.protocol.totals else ():
            own = [split for split in self.protocol.splits if split.law == law]
            known = [(split.dataset, bayes) for split in own if (bayes := self.bayes(split.dataset)) is not None]
            if known:  # the test part is that of all its numbers of rows
                dataset, bayes = known[0]
                result.append(
                    frontier(
                        self.records,
                        own,
                        n_blocks=self.protocol.search.blocks,
                        bayes=bayes,
                        test_rows=self.of(dataset).rows.get("test", 0),
                    )
                )
        return result

    def keep_row_noise(self) -> None:
        """Store packed predictions and the row noise, so that a folder without predictions gives the same report."""
        for dataset, noise in self._row_noise.items():
            pack(self.folder, self.records, dataset)
            noise.keep(self._row_noise_file(dataset))


def read(folder: Path) -> Findings:
    """Return the findings of a results folder; neither its models nor its data sets need be installed.

    Raises RecordError or ProtocolError if one of its files is invalid.
    """
    records = store.read(folder)
    datasets = _files(folder / "datasets", {record.dataset for record in records})
    about = {name: About.read(path) for name, path in datasets.items()}
    described = _files(folder / "models", {record.model for record in records})
    models = {name: AboutModel.read(path) for name, path in described.items()}
    for name, facts in models.items():
        TITLES.setdefault(name, facts.title)
    measured = _files(folder / "throughput", {record.dataset for record in records})
    throughput = {name: Throughput.read(path) for name, path in measured.items()}
    return Findings(folder, of_folder(folder), records, about, models, throughput)


def _files(folder: Path, names: set[str]) -> dict[str, Path]:
    """Return the file of facts of each name that has one.

    Args:
        folder: with the files.
        names: of data sets or models, from records.
    """
    paths = {name: folder / f"{name}.json" for name in sorted(names) if NAME.fullmatch(name)}
    return {name: path for name, path in paths.items() if path.exists()}


def file_name(name: str) -> str:
    """Return the name for use in a file name; unsafe characters are replaced and a hash keeps the result unique."""
    if NAME.fullmatch(name):
        return name
    return f"{re.sub(r'[^A-Za-z0-9_-]', '_', name)[:40]}-{digest(name)}"
