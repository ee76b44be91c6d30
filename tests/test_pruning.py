"""Trials are pruned by Optuna's rules, from the block's own records: exactly resumed, and never all of them."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tiny_study import PROTOCOL, study

from benchmark import findings
from benchmark import protocol as protocols
from benchmark.checks import audit
from benchmark.errors import ProtocolError
from benchmark.execution.status import status_lines
from benchmark.execution.studies import of_record
from benchmark.protocol import Protocol
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.study import Study, finalists, missing_trials, winner
from benchmark.training import inputs
from benchmark.training.pruning import Race, curve_of, pruner
from benchmark.tuning import tuner
from benchmark.tuning.resume import resumed
from benchmark.tuning.storage import open_study

EPOCHS = 4
TRAINING = {"batch_size": 512, "train_rows": 4096, "epochs": EPOCHS, "patience": EPOCHS}
SEARCH = {"trials": 7, "blocks": 1, "learning_rate": [1e-4, 1e-1], "dropout": [0.0, 0.5]}
RULES: dict[str, dict[str, Any]] = {
    "halving": {"pruner": "halving", "prune_from": 1},
    "percentile": {"pruner": "percentile", "prune_from": 1, "prune_after": 2, "prune_keep": 0.5},
}


def pruned_study(folder: Path, rule: str, sampler: str = "tpe") -> Study:
    """Return a study with a rule of RULES, or with none."""
    search = {**SEARCH, "sampler": sampler, **RULES.get(rule, {})}
    return study(folder, training=TRAINING, search=search, final={"seeds": [1]})


def with_rule(rule: str, **changes: Any) -> Protocol:
    values = {**PROTOCOL, "training": {**TRAINING, **changes}, "search": {**SEARCH, **RULES[rule]}}
    return protocols.validated(values, "test")


def trials_of(tuned: Study) -> list[Record]:
    return [record for record in tuned.records() if record.kind == "trial"]


def timeless(records: list[Record]) -> list[dict[str, Any]]:
    return [record.timeless() for record in records]


@pytest.fixture(scope="module", params=RULES)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Study]:
    """An uninterrupted study with pruning, and its rule."""
    tuned = pruned_study(tmp_path_factory.mktemp(request.param), request.param)
    tuner.run(tuned)
    return request.param, tuned


def test_a_pruned_trial_has_its_epochs_counts_as_a_trial_and_is_never_a_finalist(whole: tuple[str, Study]) -> None:
    _, tuned = whole
    trials = trials_of(tuned)
    pruned = [record for record in trials if record.status == "pruned"]
    assert pruned and len(trials) == SEARCH["trials"] and missing_trials(trials, tuned.protocol) == 0
    for record in pruned:
        assert record.epochs == len(record.history) < EPOCHS
        assert record.examples == record.epochs * 4096 and record.seconds
        assert record.valid == {
            k: v for k, v in record.history[(record.best_epoch or 0) - 1].items() if k != "train_loss"
        }
        assert record.error == f"ended after epoch {record.epochs} of {EPOCHS}" and record.test is None
    many = tuned.protocol.search.model_copy(update={"finalists": len(trials)})
    chosen = finalists(trials, tuned.protocol.model_copy(update={"search": many}))
    assert {record.trial for record in chosen} == {record.trial for record in trials} - {r.trial for r in pruned}
    lucky = [r.model_copy(update={"valid": {"auc": 1.0, "logloss": 0.0}}) if r == pruned[0] else r for r in trials]
    best = winner(lucky, tuned.protocol)
    assert best is not None and best.status == "complete"


def test_only_trials_are_pruned_and_tables_and_status_count_them(whole: tuple[str, Study]) -> None:
    _, tuned = whole
    records = tuned.records()
    final = next(record for record in records if record.kind == "final")
    assert (final.status, final.epochs) == ("complete", EPOCHS)
    n_pruned = sum(record.status == "pruned" for record in records)
    row = findings.Findings(tuned.results, tuned.protocol, records, {}).summary.row(0, named=True)
    assert (row["trials"], row["trials_pruned"]) == (SEARCH["trials"] - n_pruned, n_pruned)
    assert f"7/7 trials, {n_pruned} of them pruned, 1/1 final runs" in status_lines(tuned.protocol, tuned.results)[1]


class Killed(BaseException):
    """Simulates a kill: nothing in the suite may catch it."""


@pytest.mark.slow
@pytest.mark.parametrize("kill_at", [1, 5, 9, 12])
def test_a_block_killed_between_epochs_resumes_to_the_records_of_an_uninterrupted_one(
    whole: tuple[str, Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_at: int
) -> None:
    rule, tuned = whole
    interrupted = pruned_study(tmp_path, rule)
    epochs: list[None] = []
    prunes = Race.prunes

    def dies(self: Race, value: float) -> bool:
        epochs.append(None)
        if len(epochs) == kill_at:
            raise Killed
        return prunes(self, value)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Race, "prunes", dies)
        tuner.run(interrupted)
    tuner.run(interrupted)
    assert timeless(interrupted.records()) == timeless(tuned.records())


@pytest.mark.slow
@pytest.mark.parametrize("kept", range(1, SEARCH["trials"]))
def test_the_records_alone_are_enough_to_resume(whole: tuple[str, Study], tmp_path: Path, kept: int) -> None:
    rule, tuned = whole
    interrupted = pruned_study(tmp_path, rule)
    for record in trials_of(tuned)[:kept]:
        store.append(tmp_path, record)
    tuner.run(interrupted)
    assert timeless(interrupted.records()) == timeless(tuned.records())


def test_the_storage_holds_what_the_records_say_and_is_rebuilt_from_them(
    whole: tuple[str, Study], tmp_path: Path
) -> None:
    """The sampler learns from pruned trials, too: their state, value and intermediate values must not depend on a resume."""
    rule, tuned = whole
    trials = {record.trial: record for record in trials_of(tuned)}
    rebuilt = resumed(pruned_study(tmp_path, rule), None, trials, lambda params: _space(tuned, params))
    for mine, theirs in zip(rebuilt.get_trials(), open_study(tuned).get_trials(), strict=True):
        parts = ("number", "state", "value", "params", "distributions", "intermediate_values")
        assert [getattr(mine, part) for part in parts] == [getattr(theirs, part) for part in parts]
        curve = curve_of(trials[mine.number], tuned.protocol)
        assert mine.intermediate_values == dict(enumerate(curve, start=1))


def _space(tuned: Study, params: dict[str, Any]) -> Any:
    from benchmark.tuning.space import distributions

    return distributions(params, tuned, inputs.budget_of(tuned, inputs.data_of(tuned, "cpu").about))


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_replaying_whole_curves_takes_the_decisions_that_training_took(tmp_path: Path, rule: str) -> None:
    """Random search draws the same configurations with and without pruning, so the second study has the whole curves."""
    pruned, full = (pruned_study(tmp_path / name, name, "random") for name in (rule, "none"))
    tuner.run(pruned)
    tuner.run(full)
    race, decided = Race(pruned.protocol), trials_of(pruned)
    assert any(record.status == "pruned" for record in decided)
    for record, uncut in zip(decided, trials_of(full), strict=True):
        curve = curve_of(uncut, full.protocol)
        assert curve_of(record, pruned.protocol) == curve[: record.epochs]
        assert race.run(curve) == (record.epochs if record.status == "pruned" else None)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("monitor", ["auc", "logloss"])
def test_the_best_of_curves_that_never_cross_survives_and_the_worst_late_ones_do_not(rule: str, monitor: str) -> None:
    race = Race(with_rule(rule, monitor=monitor))
    quality = [0.3, 0.9, 0.5, 0.7, 0.1, 0.2, 0.0]
    sign = 1 if monitor == "auc" else -1
    ends = [race.run([sign * (value + 0.01 * epoch) for epoch in range(EPOCHS)]) for value in quality]
    assert ends[1] is None
    assert ends[4:] == [1, 1, 1]


curves = st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=EPOCHS), min_size=1, max_size=12)


@pytest.mark.parametrize("rule", RULES)
@given(curves=curves)
def test_a_block_whose_trials_are_all_pruned_cannot_happen(rule: str, curves: list[list[float]]) -> None:
    race = Race(with_rule(rule))
    assert None in [race.run(curve) for curve in curves]


@pytest.mark.parametrize("rule", RULES)
def test_collapsed_and_failed_trials_are_no_rivals(whole: tuple[str, Study], rule: str) -> None:
    """Otherwise a collapsed trial with a good LogLoss could have every other trial pruned."""
    _, tuned = whole
    first = trials_of(tuned)[0]
    lost = [
        first.model_copy(update={"status": status, "error": "x"}) for status in ("collapsed", "failed", "duplicate")
    ]
    assert pruner(with_rule(rule), lost).rivals == ()


def test_the_pruner_sees_the_rivals_in_the_order_of_their_slots(whole: tuple[str, Study]) -> None:
    _, tuned = whole
    trials = trials_of(tuned)
    assert pruner(tuned.protocol, trials[::-1]) == pruner(tuned.protocol, trials)


def test_an_audit_trains_a_pruned_record_for_as_many_epochs_as_it_had(whole: tuple[str, Study]) -> None:
    _, tuned = whole
    record = next(record for record in trials_of(tuned) if record.status == "pruned")
    assert record in audit.sample(tuned.results, 100, seed=0)
    again = audit.repeat(record, of_record(record, tuned.protocol, None, "cpu"), lambda share: None)
    assert again.gap == 0 and again.again.timeless() == record.timeless()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "final"}, "a final cannot be pruned, only a trial can"),
        ({"history": ()}, "needs validation metrics and the history of its epochs"),
        ({"epochs": 3}, "needs validation metrics and the history of its epochs"),
        ({"valid": None}, "needs validation metrics and the history of its epochs"),
        ({"error": None}, "a record with status pruned needs an error"),
    ],
)
def test_a_pruned_record_needs_its_metrics_and_history_and_is_a_trial(
    whole: tuple[str, Study], changes: dict[str, Any], message: str
) -> None:
    record = next(r for r in trials_of(whole[1]) if r.status == "pruned" and r.epochs == 1)
    with pytest.raises(ValidationError, match=message):
        Record.model_validate({**record.model_dump(), **changes})


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"pruner": "median"}, r"search.pruner: .*'none', 'percentile' or 'halving'"),
        (
            {"prune_from": 2},
            r"search: prune_from has no meaning with pruner 'none'; remove it or choose another pruner",
        ),
        ({"pruner": "halving", "prune_keep": 0.5}, r"prune_keep has no meaning with pruner 'halving'"),
        (
            {"pruner": "percentile", "prune_keep": 1.0},
            r"search.prune_keep: 1.0 is not allowed; use a finite number above 0 to below 1",
        ),
        (
            {"pruner": "percentile", "prune_after": 0},
            r"search.prune_after: 0 is not allowed; use a whole number from 1",
        ),
        ({"pruner": "halving", "prune_from": 4}, r"prune_from 4 leaves nothing to prune in 4 epochs; use at most 3"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(search: dict[str, Any], message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        protocols.validated({**PROTOCOL, "training": TRAINING, "search": search}, "test")


def test_one_epoch_leaves_nothing_to_prune() -> None:
    with pytest.raises(ProtocolError, match=r"search.pruner 'halving' needs at least 2 training.epochs; there is 1"):
        protocols.validated({**PROTOCOL, "search": {"pruner": "halving"}}, "test")
    assert with_rule("halving").smoke().search.pruner == "none"


def test_pruning_leaves_the_identity_of_protocols_without_it_unchanged() -> None:
    plain = protocols.validated({**PROTOCOL, "training": TRAINING, "search": SEARCH}, "test")
    assert not [key for key in plain.compared()["search"] if key.startswith("prune")]
    rules = [plain, with_rule("halving"), with_rule("percentile")]
    assert len({protocol.identity() for protocol in rules}) == 3
    later = with_rule("halving")
    later = later.model_copy(update={"search": later.search.model_copy(update={"prune_from": 2})})
    assert later.identity() != with_rule("halving").identity()


def test_pruning_starts_after_half_of_the_epochs_unless_the_protocol_says_otherwise() -> None:
    search = {**SEARCH, "pruner": "percentile"}
    for epochs, first in ((2, 1), (3, 2), (12, 6)):
        values = {**PROTOCOL, "training": {**TRAINING, "epochs": epochs, "monitor": "auc"}, "search": search}
        protocol = protocols.validated(values, "test")
        assert protocol.first_pruning == first
        race = Race(protocol)
        ends = [race.run([quality] * epochs) for quality in (0.9, 0.8, 0.7, 0.1)]
        assert ends == [None, None, None, first]


def test_halving_asks_at_epochs_that_double() -> None:
    training, search = {**TRAINING, "epochs": 9, "monitor": "auc"}, {**SEARCH, "pruner": "halving", "prune_from": 2}
    protocol = protocols.validated({**PROTOCOL, "training": training, "search": search}, "test")
    for better_for, end in ((1, 2), (2, 4), (3, 4), (4, 8), (7, 8), (8, None)):
        race = Race(protocol)
        race.run([0.5] * 9)
        assert race.run([0.6] * better_for + [0.4] * (9 - better_for)) == end
