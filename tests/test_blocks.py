"""Blocks are independent searches: they share no draws and no seeds, and more can be added to a finished folder."""

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_study import PROTOCOL, study

from benchmark import protocol as protocols
from benchmark.execution.run import run
from benchmark.execution.status import status_lines
from benchmark.execution.studies import studies_of
from benchmark.protocol import Protocol
from benchmark.records import store
from benchmark.records.folder import Folder
from benchmark.records.record import Record
from benchmark.study import Study
from benchmark.tuning import tuner

SEARCH = {
    "blocks": 1,
    "trials": 3,
    "learning_rate": [1e-3, 3e-2],
    "seed": 1,
    "dropout": [0.0, 0.2],
    "embedding_l2": [0.0, 1e-5],
}


def comparison(blocks: int) -> Protocol:
    values = {**PROTOCOL, "search": {**SEARCH, "blocks": blocks}, "final": {"seeds": [1]}}
    return protocols.validated(values, "test")


def drawn(study: Study) -> list[dict[str, object]]:
    """Return the parameters of the slots that are not fixed."""
    return [record.params for record in study.records() if record.kind == "trial" and record.trial > 1]


def test_two_blocks_share_neither_draws_nor_seeds(tmp_path: Path) -> None:
    first = study(tmp_path, search=SEARCH, final={"seeds": [1, 2]})
    second = replace(first, block=2)
    for block in (first, second):
        tuner.run(block)
    records = store.read(tmp_path)
    assert [record.block for record in records] == [1] * 5 + [2] * 5
    assert len({record.seed for record in records}) == 10, "the default of slot 0, too, starts from other weights"
    assert drawn(first) and not any(params in drawn(second) for params in drawn(first))
    default = [next(r for r in block.records() if r.trial == 0) for block in (first, second)]
    assert default[0].config == default[1].config and default[0].valid != default[1].valid


def test_no_two_studies_share_a_seed() -> None:
    """Neither models nor budgets nor data sets nor blocks: their results are independent given the data."""
    protocol = protocols.load("quickstart", {"datasets": ["hotel", "synthetic"], "search.blocks": 5})
    studies = studies_of(protocol, Path())
    seeds = [seed for study in studies for seed in [*study.final_seeds, *study.retrial_seeds]]
    assert len(seeds) == len(set(seeds)) == len(studies) * 4
    assert len({study.draws for study in studies}) == len({study.name for study in studies}) == len(studies)


def test_a_folder_is_filled_block_by_block() -> None:
    """Whatever is stopped early has whole blocks, with the expensive studies of a block first."""
    protocol = protocols.load("quickstart")
    order = [(study.block, -study.budget) for study in studies_of(protocol, Path())]
    assert order == sorted(order)
    assert {block for block, _ in order} == {1, 2, 3}


@pytest.mark.slow
def test_blocks_added_later_leave_the_earlier_ones_as_they_are(tmp_path: Path) -> None:
    run(comparison(1), tmp_path / "grown", device="cpu", jobs=1)
    before = store.read(tmp_path / "grown" / "test")
    run(comparison(2), tmp_path / "grown", device="cpu", jobs=1)
    run(comparison(2), tmp_path / "at_once", device="cpu", jobs=1)

    def kept(folder: Path) -> list[dict[str, object]]:
        return [record.timeless() for record in store.read(folder / "test")]

    assert kept(tmp_path / "grown") == kept(tmp_path / "at_once")
    assert [record.timeless() for record in before] == kept(tmp_path / "grown")[: len(before)]
    assert protocols.of_folder(tmp_path / "grown" / "test").search.blocks == 2
    with_fewer = Folder(tmp_path / "grown" / "test")
    with_fewer.adopt(comparison(1))
    assert protocols.of_folder(tmp_path / "grown" / "test").search.blocks == 2, "the finished block is not forgotten"


def test_the_status_counts_blocks(tmp_path: Path) -> None:
    first = study(tmp_path, search=SEARCH | {"blocks": 2}, final={"seeds": [1]})
    tuner.run(first)
    summary, line = status_lines(first.protocol, tmp_path)
    assert summary == "test: 0 of 1 studies finished"
    assert line == "synthetic/mlp/0.1: 1/2 blocks, 3/6 trials, 1/2 final runs, 0 failed, 4 runs left"


def test_a_folder_of_the_first_edition_is_one_finished_block(tmp_path: Path, record: Record) -> None:
    """Its protocol names no blocks, and its final runs have the protocol's seeds as they stand."""
    protocol = comparison(1)
    text = "\n".join(line for line in protocol.toml().splitlines() if not line.startswith("blocks"))
    (tmp_path / "protocol.toml").write_text(text)
    kept = protocols.of_folder(tmp_path)
    assert kept.search.blocks == 1 and kept.identity() == protocol.identity()
    old = record.model_copy(update={"dataset": "synthetic", "budget": 0.1})
    for trial in range(3):
        store.append(tmp_path, old.model_copy(update={"trial": trial}))
    store.append(tmp_path, old.model_copy(update={"kind": "final", "seed": 1, "test": {"auc": 0.7, "logloss": 0.5}}))
    (only,) = studies_of(kept, tmp_path)
    assert only.runs_left() == 0
