"""Nothing is chosen by the test part: with its metrics permuted among the runs, every choice is the same."""

import csv
import io
import random

import pytest
from made_records import folder as write_folder
from made_records import make, protocol

from benchmark import findings
from benchmark.execution.doubling import _doubled
from benchmark.execution.own import Own
from benchmark.execution.studies import studies_of
from benchmark.findings.convergence import gains
from benchmark.records import store
from benchmark.records.folder import Folder
from benchmark.reports import export
from benchmark.reports.tables.published import published
from benchmark.study import finalists, of_kind, winner


def permuted(records, seed):
    """Return the records with test metrics dealt out anew, at random, to the studies and their final runs, and far apart."""
    draw = random.Random(seed)
    dealt = [record.test for record in of_kind(records, "final")]
    draw.shuffle(dealt)
    shift = {record.study: draw.uniform(-0.1, 0.1) for record in records}
    others = {
        id(record): {name: value + shift[record.study] for name, value in test.items()}
        for record, test in zip(of_kind(records, "final"), dealt, strict=True)
    }
    return [record.model_copy(update={"test": others.get(id(record))}) for record in records]


def choices(folder):
    """Return all that is chosen among runs, trials, configurations, budgets and models before or after a study."""
    found = findings.read(folder)
    settings = found.protocol.model_copy(update={"search": found.protocol.search.model_copy(update={"finalists": 3})})
    chosen = {"reference": found.reference("hotel"), "gains": repr(gains(found.records, "hotel", "logloss"))}
    for study in studies_of(found.protocol, folder):
        records = study.records()
        best = winner(records, found.protocol)
        chosen[study.name] = (
            best and best.trial,
            [record.trial for record in finalists(records, settings)],
            study.runs_left(),
            study.missing_retrials(records),
            best and study.missing_seeds(records, best),
            _doubled(study, Folder(folder), "cpu", Own()).seeds_left(),
        )
    rows = found.rows("hotel").select("model", "budget", "config", "finals", "trials", "failed", "collapsed")
    chosen["rows of a table"] = sorted(map(str, rows.iter_rows()))
    exported = list(csv.reader(io.StringIO(export.bars(found, "hotel"))))
    chosen["rows for BARS"] = [
        [cell for i, cell in enumerate(row) if i not in (4, 5)] for row in exported
    ]  # not the metrics
    table = published(found.rows("hotel"), (), "hotel", "made")
    chosen["rows beside published ones"] = [(row[0].text, row[4].text, row[6].text) for row in table.rows]
    index = export.model_index(found, "hotel")
    chosen["index for Hugging Face"] = sorted(line for line in index.splitlines() if '"name"' in line)
    return chosen


@pytest.fixture(scope="module")
def records():
    one_block = protocol(search={"trials": 10, "blocks": 1})
    return make(models=["mlp", "dlrm", "wukong"], protocol_id=one_block.identity()), one_block


@pytest.mark.parametrize("seed", range(5))
def test_permuting_the_test_metrics_changes_no_choice(tmp_path, records, seed):
    made, settings = records
    write_folder(tmp_path / "as made", made, settings)
    other = permuted(made, seed)
    write_folder(tmp_path / "permuted", other, settings)
    assert [r.test for r in store.read(tmp_path / "as made")] != [r.test for r in store.read(tmp_path / "permuted")]
    before, after = choices(tmp_path / "as made"), choices(tmp_path / "permuted")
    assert {key for key in before if before[key] != after[key]} == set()


def test_bars_gets_each_model_at_each_budget(tmp_path, records):
    made, settings = records
    found = findings.read(write_folder(tmp_path / "made", made, settings))
    rows = list(csv.DictReader(io.StringIO(export.bars(found, "hotel"))))
    assert len(rows) == 3 * 3 and len({(row["Model"], row["Running Steps"]) for row in rows}) == 9
