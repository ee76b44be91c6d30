"""The results of a protocol as Python and notebooks show them. Reads, tabulates and draws; trains nothing."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import polars as pl

from benchmark import findings as readings
from benchmark.errors import ProtocolError, RecordError, nearest
from benchmark.findings import Findings
from benchmark.findings.frontier import Frontier, sentence
from benchmark.findings.verdict import Verdict, verdict
from benchmark.protocol import Protocol
from benchmark.reports import formats
from benchmark.reports.table import Table
from benchmark.reports.tables import frontier_tables, headline, tables_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAIN_FIGURE = "quality_against_compute"


@dataclass(frozen=True, repr=False)
class Results:
    """The results of a protocol, from the records in its folder.

    A notebook shows a value of this class as verdict, main table and main figure; `print` shows verdict and table. Methods
    that take a data set need it only where the folder has several. In results that split totals of compute, the data set
    without its number of rows stands for the compute-optimal frontier.
    """

    findings: Findings

    @classmethod
    def read(cls, folder: Path | str) -> Self:
        """Return the results in a folder; neither its models nor its data sets need be installed.

        Raises ProtocolError if it is no results folder, and RecordError if one of its files is invalid.
        """
        path = Path(folder)
        if not (path / "protocol.toml").is_file():
            raise ProtocolError(f"no results in {path}: it has no protocol.toml; name the folder of one protocol")
        return cls(readings.read(path))

    @property
    def folder(self) -> Path:
        """Return the results folder, which also holds report.html, tables/ and figures/."""
        return self.findings.folder

    @property
    def protocol(self) -> Protocol:
        """Return the protocol that the results follow."""
        return self.findings.protocol

    @property
    def datasets(self) -> list[str]:
        """Return the data sets that have records."""
        return self.findings.datasets

    def frame(self) -> pl.DataFrame:
        """Return a polars frame with one row per run: trials, retrials, final runs and the doubling check."""
        return self.findings.runs

    def summary(self) -> pl.DataFrame:
        """Return a polars frame with one row per data set, budget and model: means over blocks, intervals, letters, costs."""
        return self.findings.summary

    def verdict(self, dataset: str | None = None) -> Verdict:
        """Return the verdict on a data set: the winner if one is named, the sentence, and the reasons if none is."""
        subject = self._subject(dataset)
        if subject in self._frontiers:
            return Verdict(sentence(self._frontiers[subject], self.findings.title_of_law(subject)), None)
        return verdict(self.findings, subject)

    def table(self, name: str | None = None, dataset: str | None = None) -> str:
        """Return a table of the report as Markdown. Raises RecordError if there is none of that name.

        Args:
            name: as in the names of the files in tables/: headline, overall, quality, pairs, ...; None: the main table.
            dataset: whose table; None: the only one.
        """
        subject = self._subject(dataset)
        if name is None:
            return formats.markdown(self.main_table(subject))
        own = {table.name: table for table in self._tables(subject)}
        if name not in own:
            raise RecordError(f"no table {name!r} of {subject} in {self.folder}; {nearest(name, list(own))}")
        return formats.markdown(own[name])

    def figure(self, name: str | None = None, dataset: str | None = None) -> "Figure":
        """Return a figure of the report, drawn anew. Raises RecordError if the records allow none of that name.

        Args:
            name: as in the names of the files in figures/: quality_against_compute, pareto, ...; None: the main figure.
            dataset: whose figure; None: the only one.
        """
        subject = self._subject(dataset)
        chosen = name or ("frontier" if subject in self._frontiers else MAIN_FIGURE)
        drawn = self._draw(subject, [chosen])
        if not drawn:
            from benchmark.reports import plots

            known = ["frontier"] if subject in self._frontiers else [*plots.OF_FINALS, *plots.OF_TRIALS]
            reason = "too few runs for it" if chosen in known else nearest(chosen, known)
            raise RecordError(f"no figure {chosen!r} of {subject} in {self.folder}; {reason}")
        return drawn[chosen]

    def figures(self, dataset: str | None = None) -> dict[str, "Figure"]:
        """Return all figures of the report that the records of a data set allow, by name, drawn anew."""
        return self._draw(self._subject(dataset), None)

    def main_table(self, subject: str) -> Table:
        """Return the table of quality at each budget of a data set, or that of a frontier."""
        return self._tables(subject)[0] if subject in self._frontiers else headline(self.findings, subject)

    @property
    def subjects(self) -> list[str]:
        """Return what the results are mainly about: the frontiers if totals of compute are split, or else the data sets."""
        return list(self._frontiers) or self.datasets

    @cached_property
    def _frontiers(self) -> dict[str, Frontier]:
        return {frontier.law: frontier for frontier in self.findings.frontiers}

    def _subject(self, name: str | None) -> str:
        """Return the name, or the only subject. Raises RecordError for an unknown name, or if one is needed."""
        if not self.subjects:
            raise RecordError(f"no records in {self.folder} yet")
        known = list(dict.fromkeys([*self.subjects, *self.datasets]))
        if name is None and len(self.subjects) > 1:
            raise RecordError(f"{self.folder} has several data sets; name one: {', '.join(known)}")
        if name is not None and name not in known:
            raise RecordError(f"no data set {name!r} in {self.folder}; {nearest(name, known)}")
        return name or self.subjects[0]

    def _tables(self, subject: str) -> list[Table]:
        if subject in self._frontiers:
            return frontier_tables(self._frontiers[subject], self.findings.heading_of_law(subject))
        return tables_of(self.findings, subject)

    def _draw(self, subject: str, names: list[str] | None) -> dict[str, "Figure"]:
        """Draw figures of a subject; None: all."""
        from benchmark.reports import plots  # imports matplotlib, which takes a second

        if subject in self._frontiers:
            heading = self.findings.heading_of_law(subject)
            curves = (
                plots.frontier_of(self._frontiers[subject], heading) if names is None or "frontier" in names else None
            )
            return {"frontier": curves} if curves else {}
        return plots.figures_of(self.findings, subject, names)

    def __str__(self) -> str:
        parts = [
            f"{formats.markdown(self.main_table(subject))}\n{self.verdict(subject).sentence}\n"
            for subject in self.subjects
        ]
        return "\n".join(parts) or f"no records in {self.folder} yet"

    def __repr__(self) -> str:
        return f"{type(self).__name__}.read({str(self.folder)!r})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        from benchmark.reports.page import notebook  # imports matplotlib

        return notebook.fragment(
            str(self.folder),
            [
                (
                    self.verdict(subject).sentence,
                    self.main_table(subject),
                    self._draw(subject, [MAIN_FIGURE, "frontier"]),
                )
                for subject in self.subjects
            ],
        )
