"""A run of a protocol with totals trains every split in one pass and reports the frontier."""

import pytest
from rich.console import Console

import models
from benchmark import budget as budgets
from benchmark import protocol as protocols
from benchmark.errors import RunError
from benchmark.execution.doubling import double
from benchmark.execution.run import run
from benchmark.findings import Findings
from models.base import Budget


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    changes = {"models": ["mlp"], "budgets": [0.005, 0.02], "totals": [4096 * 0.02 / 1e3]}
    protocol = protocols.load("synthetic_isoflop", {**changes, "rows": [4096, 16384]}, smoke=True)
    return run(protocol, tmp_path_factory.mktemp("results"), jobs=1, console=Console(quiet=True)).findings


@pytest.mark.slow
def test_every_run_spends_the_total_in_one_pass_with_the_batch_size_of_its_rows(findings: Findings) -> None:
    trained = [record for record in findings.records if record.examples]
    assert {(record.examples, record.batch_size) for record in trained} == {(16_384, 32), (4096, 16)}
    for record in trained:
        assert record.examples and record.training_flops and record.steps and record.batch_size
        assert record.examples * record.training_flops == pytest.approx(4096 * 0.02e6, rel=0.021)
        assert record.steps == record.examples / record.batch_size and record.epochs == 1


@pytest.mark.slow
def test_the_report_has_the_frontier_of_the_law_beside_the_sets_of_each_number_of_rows(findings: Findings) -> None:
    assert findings.datasets == ["synthetic.rows_16384", "synthetic.rows_4096"]
    for kind in ("frontier", "frontier_check", "splits"):
        for suffix in ("md", "csv", "tex"):
            assert (findings.folder / "tables" / f"synthetic_{kind}.{suffix}").is_file()
    page = (findings.folder / "report.html").read_text()
    assert "Synthetic: compute-optimal frontier" in page and 'alt="frontier of Synthetic' in page
    table = (findings.folder / "tables" / "synthetic_frontier.md").read_text()
    assert "at an end of the splits" in table and "of 2" in table


@pytest.mark.slow
def test_a_folder_of_totals_has_no_epochs_to_double(findings: Findings) -> None:
    with pytest.raises(RunError, match="one pass by design"):
        double(findings.folder, findings.protocol)


@pytest.mark.parametrize("name", ["synthetic_isoflop", "synthetic_isoflop_gpu"])
def test_every_model_of_the_shipped_protocols_has_its_default_shape_at_every_budget(name: str) -> None:
    protocol = protocols.load(name)
    columns = 4, 8  # two dense fields, each with a flag, and the sparse fields
    for model in protocol.models:
        for budget in protocol.budgets:
            room = Budget(budget * 1e6, *columns, protocol.embedding_dim)
            assert (
                abs(budgets.error(budgets.default_config(models.load(model).Config, room), room)) <= budgets.TOLERANCE
            )
