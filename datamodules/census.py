"""Census-Income (KDD): does a person earn over 50,000 dollars? 299,285 survey rows, the published split.

Not click data, but used as a stand-in for it (MMoE, PLE): 40 mostly categorical fields. The files have no header, separate
cells by ', ' and write '?' for missing. The instance weight is left out because it must not be a feature. Pairwise
interactions gain next to nothing here, so the set tests cost and throughput more than quality. The last tenth of the train
file is the validation part; its rows are in random order.
"""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from datamodules.base import CTRDataModule, Delimited, Part, Source, find_files

VALIDATION_SHARE = 0.1
COLUMNS = (
    *("age", "worker_class", "industry_code", "occupation_code", "education", "wage_per_hour", "enrolled"),
    *(
        "marital_status",
        "industry",
        "occupation",
        "race",
        "hispanic_origin",
        "sex",
        "union_member",
        "unemployment_reason",
    ),
    *("employment", "capital_gains", "capital_losses", "dividends", "tax_filer", "previous_region", "previous_state"),
    *("household", "household_summary", "weight", "migration_msa", "migration_region", "migration_within_region"),
    *("same_house", "migration_sunbelt", "employer_size", "family_under_18", "father_birth", "mother_birth", "birth"),
    *("citizenship", "self_employed", "veteran_questionnaire", "veteran_benefits", "weeks_worked", "year", "income"),
)
NUMBERS = ("age", "wage_per_hour", "capital_gains", "capital_losses", "dividends", "employer_size", "weeks_worked")


class Census(CTRDataModule):
    """The published train file, with its last tenth held out for validation, and the published test file."""

    title = "Census-Income (KDD)"
    licence = "CC BY 4.0"
    citation = "UCI Machine Learning Repository, data set 117, doi:10.24432/C5N30T"
    dense_fields = NUMBERS
    sparse_fields = tuple(name for name in COLUMNS if name not in (*NUMBERS, "weight", "income"))

    def sources(self) -> list[Path]:
        """Return the paths of census-income.data and census-income.test."""
        names = ("census-income.data", "census-income.test")
        return find_files("census", names, self.data_dir, "Get Census-Income (KDD) from the UCI repository")

    def read(self) -> Mapping[str, Part]:
        """Return the parts with cells stripped of blanks, '?' as missing and label 1 for an income over 50,000."""
        train, test = (Delimited(path, ",", COLUMNS, quoted=False) for path in self.sources())
        n_train = train.rows - int(train.rows * VALIDATION_SHARE)
        return {
            "train": Source(train, 0, n_train, _cleaned),
            "valid": Source(train, n_train, clean=_cleaned),
            "test": Source(test, clean=_cleaned),
        }


def _cleaned(frame: pl.DataFrame) -> pl.DataFrame:
    cell = pl.all().str.strip_chars()
    label = pl.col("income").replace_strict({"- 50000.": "0", "50000+.": "1"}, default=pl.col("income"))
    return frame.select(pl.when(cell != "?").then(cell)).with_columns(label.alias("label"))
