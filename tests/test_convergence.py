"""The doubling check: what the winners gain from twice the epochs, and whether that counts."""

import json
from math import isnan
from pathlib import Path

import pytest
from made_records import doubled, failed, folder, make, metrics, protocol, table, with_check
from pytest import approx
from typer.testing import CliRunner

from benchmark import findings
from benchmark import protocol as protocols
from benchmark.checks.audit import repeat
from benchmark.cli.main import app
from benchmark.execution.studies import of_record
from benchmark.findings.convergence import Gain, gains, problem
from benchmark.records import store
from benchmark.records.record import Record

T_2 = 2.9199856  # 95 % quantile of Student's t with two degrees of freedom, from a table
TINY = """
datasets = ["synthetic"]
models = ["mlp"]
budgets = [0.05]
embedding_dim = 4
training = {batch_size = 512, train_rows = 4096, epochs = 2}
search = {blocks = 1, trials = 1}
final = {seeds = [1, 2]}
"""


def finals_and_doubled(losses: dict[int, tuple[float, float]]) -> list[Record]:
    """Return final and doubled runs of one study with these validation LogLosses before and after, by seed."""
    made = [r for r in make(("mlp",), budgets=(0.1,), trials=1, seeds=losses) if r.kind == "final"]
    before = [r.model_copy(update={"valid": metrics(losses[r.seed][0])}) for r in made]
    return [*before, *doubled(before, lambda r: losses[r.seed][0] - losses[r.seed][1], seeds=9)]


@pytest.mark.parametrize("metric", ["logloss", "auc"])
def test_the_gain_is_the_mean_improvement_over_shared_seeds_with_its_standard_error(metric: str) -> None:
    made = finals_and_doubled({1: (0.43, 0.42), 2: (0.43, 0.41), 3: (0.44, 0.41)})
    (gain,) = gains([*made, *make(("mlp",), budgets=(0.1,), trials=1, seeds=(4, 5))], "hotel", metric)
    assert (gain.model, gain.budget, gain.metric, gain.runs) == ("mlp", 0.1, metric, 3)
    assert gain.gain == approx(0.02)  # of 0.01, 0.02 and 0.03, whose standard deviation is 0.01
    assert gain.error == approx(0.01 / 3**0.5)
    assert gain.before == approx(1.3 / 3 if metric == "logloss" else 1.2 - 1.3 / 3)


def test_a_worse_end_is_a_negative_gain_in_either_metric() -> None:
    made = finals_and_doubled({1: (0.42, 0.43), 2: (0.42, 0.43)})
    assert [gains(made, "hotel", metric)[0].gain for metric in ("logloss", "auc")] == [approx(-0.01)] * 2


@pytest.mark.parametrize(
    ("metric", "before", "gain", "error", "worth", "passed"),
    [
        ("auc", 0.98, 0.0004, 0.0001, 0.0005, True),
        ("auc", 0.98, 0.0006, 0.0001, 0.0005, False),
        ("auc", 0.98, 0.0006, 0.0010, 0.0010 * T_2, True),  # within the noise
        ("auc", 0.98, 0.0006, float("nan"), 0.0005, False),  # one seed
        ("auc", 0.98, -0.0100, 0.0001, 0.0005, True),
        ("logloss", 0.4, 0.00039, 0.0001, 0.0004, True),
        ("logloss", 0.4, 0.00041, 0.0001, 0.0004, False),
        ("logloss", 0.4, 0.00041, 0.0005, 0.0005 * T_2, True),
    ],
)
def test_a_gain_counts_above_the_larger_of_what_is_worth_naming_and_its_noise(
    metric: str, before: float, gain: float, error: float, worth: float, passed: bool
) -> None:
    made = Gain("mlp", 0.1, metric, before, gain, error, 1 if isnan(error) else 3, 3)
    assert made.worth == approx(worth) and made.passed == passed


def test_runs_that_failed_or_collapsed_are_no_evidence_of_convergence() -> None:
    made = finals_and_doubled({1: (0.43, 0.43), 2: (0.43, 0.43)})
    flat = {"status": "collapsed", "error": "does not rank", "valid": {"auc": 0.5, "logloss": 0.69}}
    collapsed = [r.model_copy(update=flat) if r.kind == "doubled" and r.seed == 1 else r for r in made]
    assert gains(collapsed, "hotel", "auc")[0].runs == 1
    assert gains([failed(r) if r.kind == "doubled" else r for r in made], "hotel", "auc") == []


def test_a_check_needs_all_models_at_one_budget_at_least() -> None:
    def passed(model: str, budget: float, gain: float = 0.0) -> Gain:
        return Gain(model, budget, "auc", 0.9, gain, 0.0, 3, 3)

    assert problem([], ["mlp"]) == "no doubling check was made"
    apart = [passed("mlp", 0.1), passed("dlrm", 0.4)]
    assert problem(apart, ["mlp", "dlrm"]) == "no doubling check was made"
    assert problem([*apart, passed("dlrm", 0.1)], ["mlp", "dlrm"]) is None
    assert problem([passed("mlp", 0.1)], ["mlp", "dlrm"]) == "no doubling check was made"
    late = [passed("mlp", 0.1, 0.001), passed("dlrm", 0.1, 0.002), passed("wukong", 0.1)]
    assert problem(late, ["mlp", "dlrm", "wukong"]) == (
        "twice the epochs still help 2 of 3 winners (DLRM most, by 0.0020 in validation AUC)"
    )


def test_the_table_shows_each_winners_gain_and_whether_it_counts(tmp_path: Path) -> None:
    made = make(("mlp", "wukong"), budgets=(0.1,))
    path = folder(tmp_path, [*made, *doubled(made, lambda r: 0.01 if r.model == "mlp" else 0.0)])
    shown = table(path, "convergence")
    rows = [dict(zip((c.name for c in shown.columns), (c.text for c in row), strict=True)) for row in shown.rows]
    assert [(row["model"], row["gain"], row["runs"], row["check"]) for row in rows] == [
        ("MLP", "+0.0100", "3", "too few epochs"),
        ("Wukong", "0.0000", "3", "passed"),
    ]
    assert "for 2 epochs instead of 1" in shown.legend
    with pytest.raises(StopIteration):
        table(folder(tmp_path / "without", made), "convergence")


def test_the_runs_of_the_check_are_counted_in_no_other_table(tmp_path: Path) -> None:
    made = make()
    before, after = (
        folder(tmp_path / name, r) for name, r in (("a", made), ("b", [*made, *map(failed, doubled(made))]))
    )
    for name in ("quality", "scaling", "headline"):
        assert table(before, name).rows == table(after, name).rows
    passed = findings.read(folder(tmp_path / "c", with_check(made)))
    assert passed.summary.equals(findings.read(before).summary)


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, f"{done.output}{done.exception or ''}"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the parent of a finished results folder."""
    parent = tmp_path_factory.mktemp("double")
    (parent / "tiny.toml").write_text(TINY)
    assert run("run", parent / "tiny.toml", "--results", parent, "--jobs", 1)[0] == 0
    return parent


@pytest.mark.slow
def test_a_study_that_is_not_finished_is_not_checked(results: Path) -> None:
    file = results / "tiny/records/synthetic/mlp.jsonl"
    whole = file.read_text()
    file.write_text("".join(whole.splitlines(keepends=True)[:-1]))
    code, output = run("double", "tiny", "--results", results, "--jobs", 1)
    file.write_text(whole)
    assert code == 1 and "synthetic/mlp/0.05 block 1 not finished; finish the run before you check it" in output
    assert not [r for r in store.read(results / "tiny") if r.kind == "doubled"]


@pytest.mark.slow
def test_a_study_made_with_other_code_is_not_checked(results: Path) -> None:
    file = results / "tiny/made_with.json"
    whole = file.read_text()
    values = json.loads(whole)
    values["all"]["training"] = "0" * 12
    file.write_text(json.dumps(values))
    code, output = run("double", "tiny", "--results", results, "--jobs", 1)
    file.write_text(whole)
    assert code == 1 and "tiny holds results of other code: training 000000000000 -> " in output
    assert not [r for r in store.read(results / "tiny") if r.kind == "doubled"]


@pytest.mark.slow
def test_a_budget_that_the_protocol_lacks_is_rejected(results: Path) -> None:
    code, output = run("double", "tiny", "--results", results, "--budgets", "0.3")
    assert code == 1 and "no budget 0.3" in output and "it has 0.05" in output
    code, output = run("double", "tiny", "--results", results, "--budgets", "many")
    assert code == 1 and "--budgets many: expected numbers" in output


@pytest.mark.slow
def test_the_winners_are_trained_again_for_twice_the_epochs_once(results: Path) -> None:
    code, output = run("double", "tiny", "--results", results, "--jobs", 1)
    records = store.read(results / "tiny")
    made = [record for record in records if record.kind == "doubled"]
    finals = [record for record in records if record.kind == "final"]
    assert [(r.epochs, r.test, r.status) for r in made] == [(4, None, "complete")] * 2
    assert {r.seed for r in made} == {r.seed for r in finals}
    final = finals[0]
    assert final.epochs == 2 and final.protocol_id == made[0].protocol_id
    assert (final.config, final.optimiser, final.trial) == (made[0].config, made[0].optimiser, made[0].trial)
    assert "2 runs of 4 epochs" in output and "Doubling check" in output
    (gain,) = findings.read(results / "tiny").gains("synthetic")
    assert code == (0 if gain.passed else 1) and gain.runs == 2

    assert run("double", "tiny", "--results", results, "--jobs", 1)[1].count("nothing to train") == 1
    assert len(store.read(results / "tiny")) == len(records)
    protocol = protocols.load(str(results / "tiny/protocol.toml"))
    again = repeat(made[0], of_record(made[0], protocol, None, "cpu"), lambda share: None)
    assert again.again.epochs == 4 and again.passed


def test_a_protocols_double_differs_in_epochs_and_patience_only() -> None:
    plain = protocol(training={"epochs": 3, "patience": 2})
    twice = plain.doubled()
    assert (twice.training.epochs, twice.training.patience) == (6, 4)
    update = {"epochs": 3, "patience": 2}
    assert twice.model_copy(update={"training": twice.training.model_copy(update=update)}) == plain
