"""Tables and figures are functions of records: holes stay holes, strangers are refused, bytes repeat."""

from pathlib import Path

import pytest
from rich.console import Console

from benchmark import plots, records, report, tables
from benchmark.protocol import Protocol
from benchmark.records import Record, RecordError


@pytest.fixture
def found(record: Record) -> list[Record]:
    """Two models at two budgets; the second model failed at the larger one."""
    made = []
    for budget in (1.0, 4.0):
        flops = int(budget * 1e6)
        base = record.model_copy(update={"budget": budget, "training_flops": flops})
        made += [base, base.model_copy(update={"trial": 1, "status": "infeasible", "error": "too deep"})]
        for seed, loss in ((1, 0.50), (2, 0.52)):
            made.append(base.model_copy(update={"kind": "final", "seed": seed, "test": {"auc": 0.7, "logloss": loss}}))
    other = record.model_copy(update={"model": "dlrm"})
    made += [other, other.model_copy(update={"kind": "final", "test": {"auc": 0.71, "logloss": 0.49}})]
    made.append(other.model_copy(update={"budget": 4.0, "status": "failed", "error": "Diverged", "valid": None}))
    return made


def test_a_row_is_the_mean_over_seeds_with_its_interval(found: list[Record]) -> None:
    row = tables.summary(found).row(
        by_predicate=tables.pl.col("budget").eq(1.0) & tables.pl.col("model").eq("mlp"), named=True
    )
    assert row["logloss"] == pytest.approx(0.51)
    assert row["logloss_interval"] == pytest.approx(12.706 * 0.01, rel=1e-3)  # t quantile of one degree of freedom
    assert (row["trials"], row["failed"], row["infeasible"], row["seeds"]) == (1, 0, 1, 2)
    assert row["off_budget"] == 0.0
    assert row["examples_per_second"] == 500


def test_models_at_a_budget_are_ordered_by_logloss_and_a_hole_comes_last(found: list[Record]) -> None:
    frame = tables.summary(found)
    assert list(zip(frame["budget"], frame["model"], strict=True)) == [(1, "dlrm"), (1, "mlp"), (4, "mlp"), (4, "dlrm")]


def test_a_hole_prints_a_dash_and_never_0(found: list[Record]) -> None:
    last = tables.markdown(tables.summary(found)).splitlines()[5]
    assert last.startswith("| 4 | DLRM | — | — | — | — |") and "| 1 |" in last  # one failed
    one_seed = tables.markdown(tables.summary(found)).splitlines()[2]
    assert "| 0.4900 |" in one_seed  # no interval from a single seed


def test_records_of_different_protocols_or_data_never_share_a_table(found: list[Record]) -> None:
    with pytest.raises(RecordError, match="different protocol cannot share a table: id and other"):
        tables.summary([*found, found[0].model_copy(update={"protocol_id": "other"})])
    with pytest.raises(RecordError, match="different data of d cannot share a table: f and g"):
        tables.summary([*found, found[0].model_copy(update={"data_fingerprint": "g"})])


def test_names_cannot_break_a_markdown_table(found: list[Record]) -> None:
    hostile = [r.model_copy(update={"model": "a|b\nc"}) for r in found]
    lines = tables.markdown(tables.summary(hostile)).splitlines()
    assert all(line.count("|") - line.count("\\|") == len(tables.SHOWN) + 1 for line in lines[:4])


def test_counts_are_readable() -> None:
    shown = {None: "—", 0: "0", 999: "999", 1234: "1.23 k", 45_600_000: "45.6 M", 26_136_307_201: "26.1 G"}
    assert {value: tables.count(value) for value in shown} == shown


@pytest.fixture
def folder(tmp_path: Path, found: list[Record]) -> Path:
    for record in found:
        records.append(tmp_path, record)
    protocol = Protocol(name="p", datasets=("hotel",), models=("mlp", "dlrm"), budgets=(1, 4), embedding_dim=8)
    records.write_text(tmp_path / "protocol.toml", protocol.toml())
    bounds = {"Bayes": {"auc": 0.8, "logloss": 0.4}}
    records.write_json(tmp_path / "datasets" / "d.json", {"title": "Data", "bounds": bounds})
    return tmp_path


def test_a_report_repeats_to_the_last_byte(folder: Path) -> None:
    report.write(folder)
    made = sorted(path for path in folder.rglob("*") if path.parent.name in ("tables", "figures"))
    assert [path.name for path in made] == [
        "d_quality_against_compute.png",
        "d_quality_against_compute.svg",
        "d.csv",
        "d.md",
    ]
    before = [path.read_bytes() for path in made]
    report.write(folder)
    assert [path.read_bytes() for path in made] == before


def test_the_figure_shows_every_model_and_bound(folder: Path) -> None:
    report.write(folder)
    svg = (folder / "figures" / "d_quality_against_compute.svg").read_text()
    for text in ("MLP", "DLRM", "Bayes", "LogLoss", "AUC", "training MFLOP per example"):
        assert f">{text}" in svg


def test_a_folder_without_records_says_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"holds no records; `wukong-bench run` makes them"):
        report.write(tmp_path)


def test_a_models_look_does_not_depend_on_its_company() -> None:
    assert plots.looks(["wukong"])["wukong"] == plots.looks(["dlrm", "mlp", "wukong"])["wukong"]
    looks = plots.looks(["autoint", "dcnv2", "dlrm", "finalmlp", "mlp", "wukong"]).values()
    assert len({(look["color"], look["marker"]) for look in looks}) == 6


@pytest.mark.parametrize("width", [80, 200])
def test_the_terminal_table_fits(found: list[Record], width: int) -> None:
    console = Console(width=width, record=True, file=Path("/dev/null").open("w"))  # noqa: SIM115
    console.print(tables.terminal(tables.summary(found), "title", width))
    text = console.export_text()
    assert "…" not in text and all(len(line) <= width for line in text.splitlines())
